/** The work on one photo: read it, have it cut out and drawn, try again. Loaded once the page is quiet. */

import { unique } from "./memory.js";
import { Unusable, read } from "./photo.js";
import { Trouble, trouble } from "./service.js";
import { upload } from "./upload.js";
import { megabytes } from "./words.js";

const TRIES = 4;
const WAITS = [1, 3, 9]; // seconds before the next try, where the server names none
const LONGEST = 120; // seconds worth a countdown

export class Work {
  constructor(portrait) {
    this.portrait = portrait;
    this.keys = {};
  }

  get view() {
    return this.portrait.view;
  }

  get photo() {
    return this.portrait.photo;
  }

  say(name, values) {
    this.view.say(this.portrait.words(name, values));
  }

  /** Reads a chosen file and begins. What cannot be used leaves the photo before as it is. */
  async take(files) {
    const { portrait, view } = this;
    const file = files.find((each) => each.type.startsWith("image/")) ?? files[0];
    this.say("reading");
    portrait.emit("progress", { phase: "reading" });
    let photo;
    try {
      photo = await read(file, portrait.accepted);
    } catch (error) {
      const code = error instanceof Unusable ? error.code : "unreadable";
      const values = { name: file.name, size: megabytes(portrait.accepted.max_bytes), side: portrait.accepted.min_side, ...error.values };
      const message = portrait.words(code, values);
      portrait.emit("error", { code, message, retryable: false });
      return view.say(message, true);
    }
    this.stop("replaced");
    this.keys = {};
    portrait.begin({ ...photo, url: URL.createObjectURL(photo.blob), key: unique(), busy: true });
    await this.drawAll();
  }

  /** Whether the photo may be sent: a shop that asks first asks in its own way (`preventDefault`), or we do. */
  agreed() {
    const { portrait } = this;
    this.waitsForConsent = portrait.consent !== "given";
    if (!this.waitsForConsent) return true;
    if (portrait.emit("consent", {}, { cancelable: true })) this.view.askConsent(portrait.consent);
    else this.view.say("");
    return false;
  }

  /** The cut-out and the popular styles; others wait for a tap, because each is one of the day's pictures. */
  async drawAll() {
    if (!this.agreed()) return;
    await this.run(() => this.process(this.photo.key, this.portrait.atOnce()));
  }

  /** One more style; the photo is only sent again if the server no longer has it. */
  async drawOne(style) {
    if (!this.agreed()) return;
    const { links, memory, service } = this.portrait;
    const key = (this.keys[style] ??= unique());
    const body = { image_hash: links.hash, style, session_id: memory.session, remove_background: Boolean(links.pictures.cutout) };
    await this.run(async (signal) => {
      this.view.wait(style);
      this.say("drawing");
      try {
        if (!links.hash) throw new Trouble("not_found", { status: 404 });
        const result = await service.call("api/v1/generate", { method: "POST", body: JSON.stringify(body), key, signal });
        this.portrait.ended(style, { success: true, result });
        this.portrait.showQuota(result.quota);
      } catch (error) {
        if (error.status !== 404 || !this.photo) throw error;
        await this.process(`${key}-again`, style, true);
      }
    }, style);
  }

  /** Cut-out and styles. A photo that the server has got is named by its hash, and sent once more if it is not there. */
  async process(key, styles, whole = !this.portrait.links.hash) {
    const { links, memory, service } = this.portrait;
    const form = new FormData();
    if (whole) form.append("image", this.photo.blob, this.photo.name);
    else form.append("image_hash", links.hash);
    form.append("session_id", memory.session);
    if (styles) form.append("styles", styles);
    this.quarter = -1;
    this.failure = null;
    if (!links.pictures.cutout) this.view.wait("cutout");
    try {
      await upload(service, {
        form, key, signal: this.running.signal,
        onSent: (share) => whole && this.sent(share),
        onEvent: (name, data) => this.step(name, data),
      });
    } catch (error) {
      if (error.status !== 404 || whole) throw error;
      return this.process(key, styles, true);
    }
    if (this.failure) throw this.failure;
  }

  /** Shown all the time, said at each quarter. */
  sent(share) {
    this.view.progress(share);
    const quarter = Math.floor(share * 4);
    if (quarter === this.quarter) return;
    this.quarter = quarter;
    this.portrait.emit("progress", { phase: "sending", percent: quarter * 25 });
    this.say(share < 1 ? "sending" : "arrived", { percent: quarter * 25 });
  }

  step(name, data) {
    const { portrait, view } = this;
    if (name === "accepted") {
      portrait.links.hash = data.image_hash;
      view.progress(null);
      this.say("drawing");
      for (const style of data.styles) view.wait(style);
      portrait.emit("progress", { phase: "drawing", styles: data.styles });
    } else if (name === "done") {
      portrait.showQuota(data.quota);
      if (data.success) this.failure = null;
    } else {
      if (!data.success) this.failure = trouble(data.problem, data.problem.status);
      portrait.ended(name === "cutout" ? name : data.style, data);
    }
  }

  stop(code = "stopped") {
    this.running?.abort(new Trouble(code));
  }

  /** Runs `work` until it is done or nothing more can be tried; the photo and what is drawn stay in any case. */
  async run(work, style) {
    const { portrait, view } = this;
    this.stop("replaced");
    const running = (this.running = new AbortController());
    view.busy(true);
    view.askable([]);
    portrait.keep(true);
    try {
      await this.persist(work, running.signal);
      view.say(portrait.words("done"));
      portrait.emit("progress", { phase: "done" });
      view.settle(true);
    } catch (error) {
      if (error.code === "closed" || error.code === "replaced") return;
      const stopped = error.code === "stopped";
      view.say(stopped ? portrait.words("stopped") : portrait.sentence(error.code, error.wait), !stopped);
      if (!stopped) portrait.emit("error", { code: error.code ?? "internal_error", message: error.message, retryable: Boolean(error.retryable) });
      view.settle(false, () => (style ? this.drawOne(style) : this.drawAll()));
    }
    this.running = null;
    view.askable(portrait.undrawn());
    portrait.keep(false);
  }

  async persist(work, signal) {
    for (let tried = 1; ; tried++) {
      try {
        return await work(signal);
      } catch (error) {
        if (signal.aborted) throw signal.reason;
        const seconds = Math.max(1, error.wait ?? WAITS[tried - 1]);
        if (!error.retryable || tried === TRIES || seconds > LONGEST) throw error;
        this.portrait.emit("error", { code: error.code, message: error.message, retryable: true, again_in: seconds });
        await this.pause(error, seconds, signal);
      }
    }
  }

  /** Waits for the next try: until the browser is online again, or the server's own time has passed. */
  async pause(error, seconds, signal) {
    const { portrait, view } = this;
    const offline = error.code === "unreachable" && !navigator.onLine;
    view.progress(null);
    view.say(offline ? portrait.words("offline") : portrait.sentence(error.code, error.wait), true);
    await new Promise((resolve, reject) => {
      const until = Date.now() + seconds * 1000; // a phone's timers stand still in the background
      const show = () => {
        const left = Math.ceil((until - Date.now()) / 1000);
        if (left <= 0 && !offline) return go();
        view.countdown(offline ? "" : portrait.words("again_in", { seconds: left }), go);
      };
      const end = (settle) => {
        clearInterval(ticking);
        removeEventListener("online", go);
        signal.removeEventListener("abort", stop);
        view.countdown(null);
        settle();
      };
      const go = () => end(resolve);
      const stop = () => end(() => reject(signal.reason));
      const ticking = setInterval(show, 1000);
      addEventListener("online", go);
      signal.addEventListener("abort", stop);
      show();
    });
  }

  /** A link to the customer's own photo; null if the server cannot keep it now: then the file goes into the form. */
  async storedPhoto() {
    const { portrait } = this;
    if (!this.photo || portrait.consent !== "given") return null;
    const form = new FormData();
    form.append("original", this.photo.blob, this.photo.name);
    form.append("session_id", portrait.memory.session);
    const { uploads } = await portrait.service.call("api/storage/upload", { method: "POST", body: form }).catch(() => ({}));
    return (portrait.links.original = uploads?.[0]?.url ?? null);
  }
}
