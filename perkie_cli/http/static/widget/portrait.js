/** The portrait of one element: its photo, its pictures, which one is chosen. How they are made is in work.js. */

import { Memory } from "./memory.js";
import { serviceAt } from "./service.js";
import { View } from "./view.js";
import { localTime, megabytes, wordsIn } from "./words.js";

const ACCEPTED = { enabled: true, min_side: 256, max_bytes: 20 * 1024 * 1024, styles: [] }; // until the server says
const NOT_DRAWN = ["original", "cutout"];
const nothing = () => ({ hash: null, original: null, pictures: {} });

/** Starts the portrait in `host`, a <perkie-portrait>. */
export async function mount(host) {
  const words = await wordsIn(host.language);
  return new Portrait(host, words);
}

class Portrait {
  constructor(host, words) {
    Object.assign(this, { host, words, language: host.language, accepted: ACCEPTED });
    const named = host.getAttribute("service");
    const base = named ? new URL(`${named.replace(/\/*$/, "")}/`, document.baseURI) : new URL("../../", import.meta.url);
    this.service = serviceAt(base.href, host.getAttribute("token-url") ?? "");
    this.service.own ??= () => host.token?.call?.(host) ?? host.token;
    this.memory = new Memory(() => this.consent === "given");
    this.photo = null; // {blob, name, url, key, busy}
    this.links = nothing();
    this.view = new View(host, this);
    this.prepare();
    this.service.settings().then((accepted) => this.learn(accepted)).catch(() => {}); // it works without
    if (!window.Shopify?.designMode) {
      this.service.warmUp(this.memory);
      this.askQuota();
    }
    this.restore();
  }

  get consent() {
    return this.host.getAttribute("consent") || "given";
  }

  /** Loads the rest while the page is quiet, so that a photo that is chosen offline finds it. */
  prepare() {
    this.working = import("./work.js").then(({ Work }) => (this.work = new Work(this)));
    this.working.catch(() => { this.working = null; });
  }

  /** Lets the worker do something, and says so if it cannot be loaded. */
  async withWork(act) {
    if (!this.working) this.prepare();
    try {
      await this.working;
    } catch {
      return this.view.say(this.words("problem_unreachable"), true);
    }
    return act(this.work);
  }

  /** Files that were chosen, dropped or pasted. */
  take(files) {
    return this.withWork((work) => work.take(files));
  }

  draw(style) {
    return this.withWork((work) => work.drawOne(style));
  }

  stop() {
    this.work?.stop();
  }

  close() {
    this.closed = true;
    this.work?.stop("closed");
    this.view.close();
    if (this.photo) URL.revokeObjectURL(this.photo.url);
  }

  changed(name) {
    if (name !== "consent") {
      this.close();
      this.host.portrait = this.host.waking = null;
      this.host.ask();
      this.host.wake();
    } else if (this.consent === "given" && this.work?.waitsForConsent) this.work.drawAll();
    else if (this.consent === "denied") this.memory.forget();
  }

  learn(accepted) {
    if (!accepted.enabled) {
      this.close();
      return this.host.switchedOff();
    }
    this.accepted = accepted;
    this.offered = this.named(accepted.styles);
    this.view.offer(this.offered, accepted);
    this.refill();
  }

  /** The styles that the element names, or all. */
  named(styles) {
    const names = this.host.getAttribute("styles")?.split(",").map((name) => name.trim());
    return names ? styles.filter((style) => names.some((name) => [style.id, ...style.aliases].includes(name))) : styles;
  }

  async askQuota() {
    const { quota } = await this.service.call(`api/v1/quota?session_id=${this.memory.session}`).catch(() => ({}));
    this.showQuota(quota);
  }

  /** What was there before the reload: the photo for an hour, the pictures until their links end. */
  async restore() {
    const links = this.memory.links;
    if (links) this.links = links;
    const kept = await this.memory.photo();
    if (this.photo || this.closed) return; // the customer was faster
    if (kept) this.photo = { ...kept, url: URL.createObjectURL(kept.blob) };
    this.refill();
    if (kept?.busy) this.withWork((work) => work.drawAll());
  }

  /** A new photo takes the place of the last one and its pictures. */
  begin(photo) {
    if (this.photo) URL.revokeObjectURL(this.photo.url);
    this.photo = photo;
    this.links = this.memory.links = nothing();
    this.chosen = null;
    this.view.clear();
    this.view.showPhoto(photo.url);
    this.choose();
  }

  keep(busy) {
    if (!this.photo) return;
    const { url, ...photo } = this.photo;
    this.memory.keep({ ...photo, busy });
  }

  /** What is drawn right away, where the element names styles; else the server decides. */
  atOnce() {
    if (!this.host.hasAttribute("styles")) return "";
    const popular = this.offered?.filter((style) => style.popular) ?? [];
    return (popular.length ? popular : (this.offered ?? [])).map((style) => style.id).join();
  }

  /** A picture, or why there is none. */
  ended(id, { success, result, problem }) {
    if (!success) {
      const code = problem.type.split(":").pop();
      this.view.fail(id, this.sentence(code, problem.retry_after));
      return this.emit("error", { code, message: problem.detail, style: id, retryable: problem.retryable });
    }
    const { image_url, expires_at, degraded, original_url } = result;
    this.links.original = original_url ?? this.links.original;
    this.links.pictures[id] = { image_url, expires_at, degraded };
    this.memory.links = this.links;
    this.view.fill(id, this.links.pictures[id]);
    this.emit("progress", { phase: "drawing", style: id });
    this.choose();
  }

  refill() {
    const { pictures, original } = this.links;
    const photo = this.photo?.url ?? (Object.keys(pictures).length ? original : null);
    if (photo) this.view.showPhoto(photo);
    for (const [id, picture] of Object.entries(pictures)) this.view.fill(id, picture);
    this.view.askable(this.photo || this.links.hash ? this.undrawn() : []);
    this.choose();
  }

  undrawn() {
    return (this.offered ?? []).map((style) => style.id).filter((id) => !this.links.pictures[id]);
  }

  emit(name, detail, more) {
    return this.host.dispatchEvent(new CustomEvent(`perkie:${name}`, { bubbles: true, composed: true, detail, ...more }));
  }

  /** The picture of a card could not be loaded: its link has ended, or it was erased. */
  gone(id) {
    delete this.links.pictures[id];
    this.memory.links = this.links;
    this.view.fail(id, this.words("gone"));
    this.view.askable(this.undrawn());
    if (this.chosen === id) this.chosen = null;
    this.choose();
  }

  sentence(code, wait) {
    const at = wait ? localTime(Date.now() + wait * 1000, this.language) : "";
    const values = { name: this.photo?.name ?? "", at, size: megabytes(this.accepted.max_bytes), side: this.accepted.min_side };
    return this.words(`problem_${code}`, values) || this.words(code, values) || this.words("problem");
  }

  showQuota(quota) {
    const values = quota && { remaining: quota.remaining, at: localTime(quota.reset_at, this.language) };
    this.view.showQuota(quota?.warning ? this.words(`quota_${quota.warning}`, values) : "");
  }

  /** Chooses for the customer until they do: the first drawing, else the cut-out, else the photo. */
  choose() {
    const drawn = Object.keys(this.links.pictures);
    const best = drawn.find((id) => !NOT_DRAWN.includes(id)) ?? drawn[0] ?? (this.photo && "original");
    if (best && (!this.chosen || this.byDefault)) this.select(best, "default");
  }

  async select(id, by = "customer") {
    if (by === "default" && id === this.chosen) return;
    [this.chosen, this.byDefault] = [id, by === "default"];
    const picture = this.links.pictures[id] ?? { image_url: this.links.original, expires_at: null };
    this.view.select(id, picture);
    if (id === "original" && by === "customer" && !picture.image_url) picture.image_url = await this.withWork((work) => work.storedPhoto());
    if (this.chosen !== id) return;
    this.fillForm(id, picture);
    const { image_url = null, expires_at = null, degraded = false } = picture;
    this.emit("select", { choice: id, by, image_url, expires_at, degraded, image_hash: this.links.hash, file: this.photo?.blob ?? null });
  }

  /** The fields of the form that the element is in; a photo without a link goes along as a file. */
  fillForm(id, { image_url }) {
    const field = (name) => (this.host.getAttribute("name") || "perkie_*").replace("*", name);
    const fields = new FormData();
    fields.append(field("choice"), id);
    if (image_url && !image_url.startsWith("data:")) fields.append(field("url"), image_url);
    else if (this.photo) fields.append(field("photo"), this.photo.blob, this.photo.name);
    if (this.links.hash) fields.append(field("hash"), this.links.hash);
    this.host.internals.setFormValue(fields);
  }
}
