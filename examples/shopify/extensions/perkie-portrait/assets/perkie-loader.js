/* <perkie-portrait>: shows a button at once, imports the rest when it is near or touched. Manual: docs/widget.md */
(() => {
  "use strict";
  const script = document.currentScript;
  const able = "adoptedStyleSheets" in document && window.ElementInternals && window.IntersectionObserver;
  if (!able || customElements.get("perkie-portrait")) return;

  const ASK = {
    en: ["Choose a photo", "Take a photo"],
    de: ["Foto auswählen", "Foto aufnehmen"],
    fr: ["Choisir une photo", "Prendre une photo"],
    es: ["Elegir una foto", "Hacer una foto"],
  };
  const TYPES = "image/jpeg,image/png,image/webp,image/heic,image/heif,.heic,.heif";
  const OFF = "perkie-off";
  const sheet = new CSSStyleSheet();
  sheet.replaceSync(`
    :host { display: block; }
    :host([hidden]) { display: none; }
    .asking { display: flex; flex-wrap: wrap; gap: 12px; justify-content: center; align-items: center; min-height: 200px; }
    button { font: inherit; min-height: 44px; padding: 8px 20px; cursor: pointer; }`);

  const off = () => {
    try { return sessionStorage.getItem(OFF) > Date.now(); } catch { return false; }
  };

  class PerkiePortrait extends HTMLElement {
    static formAssociated = true;
    static observedAttributes = ["lang", "consent", "service", "token-url"];

    constructor() {
      super();
      this.internals = this.attachInternals();
      this.attachShadow({ mode: "open", delegatesFocus: true }).adoptedStyleSheets = [sheet];
    }

    connectedCallback() {
      if (off()) this.hidden = true;
      if (this.hidden) return;
      this.ask();
      this.near = new IntersectionObserver(([seen]) => seen.isIntersecting && this.wake(), { rootMargin: "300px" });
      this.near.observe(this);
      for (const sign of ["pointerdown", "focusin", "dragenter"]) this.addEventListener(sign, this.wake, { once: true });
    }

    disconnectedCallback() {
      this.near?.disconnect();
      this.portrait?.close();
      this.portrait = this.waking = null;
    }

    attributeChangedCallback(name) {
      this.portrait?.changed(name);
    }

    /** The language of the words: the element's own, that of the page, or English. */
    get language() {
      const named = (this.closest("[lang]")?.lang || navigator.language || "en").slice(0, 2).toLowerCase();
      return ASK[named] ? named : "en";
    }

    /** Where the component lies: beside this script, or at the service that the element names. */
    get source() {
      const service = this.getAttribute("service");
      if (service) return new URL("widget/portrait.js", new URL(`${service.replace(/\/*$/, "")}/`, document.baseURI)).href;
      return new URL("portrait.js", script?.src || document.baseURI).href;
    }

    /** Real controls from the start: a tap before the component is there opens the picker, and its photo is kept. */
    ask() {
      const [choose, take] = ASK[(this.asked = this.language)];
      const pair = (words, name, camera) => {
        const button = document.createElement("button");
        const input = document.createElement("input");
        Object.assign(button, { type: "button", textContent: words, className: name });
        button.part = `button ${name}`;
        Object.assign(input, { type: "file", accept: camera ? "image/*" : TYPES, className: "file", hidden: true, ariaLabel: words });
        if (camera) input.setAttribute("capture", "environment");
        button.addEventListener("click", () => input.click());
        input.addEventListener("change", () => {
          const files = [...input.files];
          if (files.length) this.wake().then((portrait) => portrait?.take(files));
        });
        return [button, input];
      };
      const asking = document.createElement("div");
      asking.className = "asking";
      asking.append(...pair(choose, "choose", false));
      if (matchMedia("(any-pointer: coarse)").matches) asking.append(...pair(take, "camera", true));
      this.shadowRoot.replaceChildren(asking);
    }

    /** Imports and starts the component, once. Resolves to it; to nothing if it cannot be had. */
    wake() {
      this.near?.disconnect();
      this.waking ??= this.start();
      return this.waking;
    }

    async start() {
      const again = this.failures ? `?again=${this.failures}` : "";
      try {
        const { mount } = await import(this.source + again);
        if (!this.isConnected) return null;
        let portrait;
        do { // until the language did not change meanwhile
          portrait?.close();
          if (this.failures || this.asked !== this.language) this.ask();
          portrait = await mount(this);
        } while (this.asked !== this.language);
        if (!this.isConnected) portrait.close();
        return (this.portrait = portrait);
      } catch (error) {
        this.failures = (this.failures || 0) + 1;
        this.waking = null;
        // What the page wrote between the tags is the fallback: a plain form, or a sentence.
        this.shadowRoot.replaceChildren(document.createElement("slot"));
        this.addEventListener("pointerdown", this.wake, { once: true });
        this.dispatchEvent(new CustomEvent("perkie:error", { bubbles: true, composed: true, detail: { code: "not_loaded", message: String(error), retryable: true } }));
        return null;
      }
    }

    /** What the component tells: this shop shows no portraits for now. Remembered for ten minutes. */
    switchedOff() {
      this.hidden = true;
      try { sessionStorage.setItem(OFF, Date.now() + 600_000); } catch { /* asked again on the next page */ }
    }
  }
  customElements.define("perkie-portrait", PerkiePortrait);

  // Shopify's editor: a selected block is shown awake. Sections that it loads anew upgrade by themselves.
  document.addEventListener("shopify:block:select", ({ target }) => {
    const element = target.querySelector?.("perkie-portrait");
    element?.wake();
    element?.scrollIntoView({ block: "nearest" });
  });
})();
