/** What the customer sees and touches: native controls only, so that keyboard and screen readers need nothing else. */

import { sheet } from "./style.js";
import { megabytes } from "./words.js";

/** An element with attributes, properties for those that start with a dot, listeners for functions. */
function h(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") element.addEventListener(name, value);
    else if (name[0] === ".") element[name.slice(1)] = value;
    else if (value !== false) element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.filter(Boolean));
  return element;
}

const show = (element, shown) => { element.hidden = !shown; };

export class View {
  constructor(host, portrait) {
    Object.assign(this, { host, portrait, root: host.shadowRoot, words: portrait.words, cards: new Map() });
    this.root.adoptedStyleSheets = [...this.root.adoptedStyleSheets.slice(0, 1), sheet];
    this.listening = new AbortController();
    this.build();
    this.card("original", this.words("original"));
    this.card("cutout", this.words("cutout"));
    this.listen();
  }

  build() {
    const { words } = this;
    const focused = this.root.activeElement; // a move takes the focus away
    const button = (name, act, part = "") => h("button", { type: "button", part: `button ${part}`, class: part, click: act }, words(name));
    const asking = this.root.querySelector(".asking"); // the loader's: a picker may be open on its input
    this.accepts = h("p", { class: "quiet", id: "accepts" });
    this.asking = h("div", { class: "drop", part: "drop" }, asking, h("p", { class: "quiet wide" }, words("drop")), this.accepts);
    this.message = h("p", { role: "status", class: "message", part: "message" });
    this.sending = h("progress", { max: 1, "aria-label": words("progress"), ".hidden": true });
    this.counting = h("span", { "aria-hidden": "true", class: "quiet" });
    this.now = button("now", () => this.go());
    this.again = button("again", () => this.retry());
    this.agree = button("agree", () => this.host.setAttribute("consent", "given"), "primary");
    this.stopping = button("stop", () => this.portrait.stop());
    this.actions = h("div", { class: "actions" }, this.counting, this.now, this.again, this.agree, this.stopping);
    for (const each of [this.now, this.again, this.agree, this.stopping]) show(each, false);
    this.before = h("img", { alt: words("before"), error: () => this.comparing(false) });
    this.after = h("img", { class: "after", part: "picture", load: () => this.comparing(true) });
    this.range = h("input", { type: "range", min: 0, max: 100, value: 50, "aria-label": words("compare"), input: () => this.slide() });
    this.compare = h("div", { class: "compare", part: "compare" }, this.before, this.after, this.range);
    this.gallery = h("fieldset", { class: "gallery", part: "gallery" }, h("legend", {}, words("gallery")));
    this.link = h("a", { class: "quiet", part: "download", target: "_blank", rel: "noopener", download: "perkie" }, words("download"));
    this.quota = h("p", { class: "quiet quota", part: "quota" });
    this.result = h("section", { class: "result", "aria-label": words("result"), tabindex: -1, ".hidden": true }, this.compare, this.link, this.gallery);
    this.frame = h("div", { class: "frame", part: "frame", lang: this.portrait.language }, this.asking, this.message, this.sending, this.actions, this.quota, this.result);
    this.root.replaceChildren(this.frame);
    focused?.focus({ preventScroll: true });
    this.offer([], this.portrait.accepted);
    this.slide();
  }

  listen() {
    const { signal } = this.listening;
    const files = (event, data) => {
      const found = [...(data?.files ?? [])];
      if (!found.length) return;
      event.preventDefault();
      this.portrait.take(found);
    };
    for (const name of ["dragenter", "dragover", "dragleave", "drop"]) {
      this.host.addEventListener(name, (event) => {
        event.preventDefault();
        this.asking.classList.toggle("over", name === "dragenter" || name === "dragover");
        if (name === "drop") files(event, event.dataTransfer);
      }, { signal });
    }
    document.addEventListener("paste", (event) => {
      const here = document.activeElement === this.host || document.activeElement === document.body;
      if (here && !event.defaultPrevented) files(event, event.clipboardData);
    }, { signal });
  }

  close() {
    this.listening.abort();
  }

  offer(styles, { min_side: side, max_bytes }) {
    this.accepts.textContent = this.words("accepts", { side, size: megabytes(max_bytes) });
    for (const style of styles) this.card(style.id, style.title);
  }

  /** The card of a choice, made if there is none: a radio button with a picture. */
  card(id, title = id) {
    let card = this.cards.get(id);
    if (card) return card;
    const { words, portrait } = this;
    const radio = h("input", { type: "radio", name: "choice", value: id, ".disabled": true, change: () => portrait.select(id) });
    const image = h("img", { alt: "", ".hidden": true, error: () => this.broken(id) });
    const facts = h("span", { class: "quiet facts" });
    const ask = h("button", { type: "button", part: "button", class: "ask", ".hidden": true, click: () => portrait.draw(id), "aria-label": `${words("draw")}: ${title}` }, words("draw"));
    const label = h("label", {}, radio, h("span", { class: "picture" }, image), h("span", { class: "name" }, title), facts);
    card = { box: h("div", { class: `card ${id}`, part: "card" }, label, ask), radio, image, facts, ask, title };
    this.cards.set(id, card);
    this.gallery.append(card.box);
    return card;
  }

  broken(id) {
    if (id === "original") show(this.card(id).image, false); // HEIC, which only Safari shows
    else this.portrait.gone(id);
  }

  say(text, bad = false) {
    this.message.textContent = text;
    this.message.classList.toggle("bad", bad);
    show(this.agree, false);
    show(this.again, false);
  }

  busy(on) {
    show(this.stopping, on);
    this.frame.setAttribute("aria-busy", on);
  }

  progress(share) {
    show(this.sending, share !== null);
    if (share !== null) this.sending.value = share;
  }

  /** Shows the time until the next try, and a button for at once; null: no longer. */
  countdown(text, go) {
    this.counting.textContent = text ?? "";
    this.go = go;
    show(this.now, text !== null);
  }

  askConsent(consent) {
    this.say(this.words(consent === "denied" ? "consent_denied" : "consent"));
    show(this.agree, true);
    this.agree.focus();
  }

  /** The end of all work. Focus follows to the pictures, if it was here. */
  settle(done, retry) {
    const active = this.root.activeElement;
    const here = active === this.stopping || active === this.now;
    this.progress(null);
    this.busy(false);
    this.retry = retry;
    show(this.again, Boolean(retry));
    for (const card of this.cards.values()) card.box.classList.remove("busy");
    if (here) (done ? this.result : this.again).focus({ preventScroll: !done });
  }

  clear() {
    this.progress(null);
    this.busy(false);
    for (const [id, card] of this.cards) {
      if (id === "original") continue;
      card.box.className = `card ${id}`;
      card.radio.disabled = true;
      card.radio.checked = false;
      card.facts.textContent = "";
      show(card.image, false);
    }
  }

  showPhoto(url) {
    show(this.result, true);
    this.asking.classList.add("small");
    this.before.src = url;
    this.put("original", url);
  }

  put(id, url) {
    const card = this.card(id);
    card.image.src = url;
    show(card.image, true);
    card.radio.disabled = false;
    card.box.classList.remove("busy", "failed");
    card.box.classList.add("filled");
    return card;
  }

  wait(id) {
    const { box, facts } = this.card(id);
    box.classList.add("busy");
    facts.textContent = this.words("waiting");
  }

  fill(id, picture) {
    this.put(id, picture.image_url).facts.textContent = picture.degraded ? this.words("degraded") : "";
  }

  fail(id, text) {
    const { box, facts, radio, image } = this.card(id);
    box.classList.remove("busy", "filled");
    box.classList.add("failed");
    radio.disabled = true;
    show(image, false);
    facts.textContent = text;
  }

  /** Offers to draw these, and no others. */
  askable(ids) {
    for (const [id, card] of this.cards) show(card.ask, ids.includes(id));
  }

  /** The chosen picture large, beside the photo it was made from. */
  async select(id, { image_url }) {
    const card = this.card(id);
    card.radio.checked = true;
    const url = id === "original" ? this.before.src : image_url;
    const next = Object.assign(new Image(), { src: url });
    await next.decode().catch(() => {}); // no flash of an empty frame
    if (!card.radio.checked) return;
    this.after.alt = card.title;
    this.after.src = this.link.href = url;
    this.compare.classList.toggle("cutout", id === "cutout");
  }

  comparing(possible) {
    const both = possible && this.before.naturalWidth > 0 && this.after.src !== this.before.src;
    this.compare.classList.toggle("both", both);
    show(this.range, both);
    this.compare.style.aspectRatio = `${this.after.naturalWidth || 4} / ${this.after.naturalHeight || 3}`;
  }

  slide() {
    this.compare.style.setProperty("--at", this.range.value / 100);
    this.range.setAttribute("aria-valuetext", `${this.range.value} %`);
  }

  showQuota(text) {
    this.quota.textContent = text;
  }
}
