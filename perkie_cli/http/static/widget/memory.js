/** What outlives the page: the session, links until they end, the photo for an hour. All of it may be denied. */

const VERSION = 1; // of what is kept; another one's is dropped
const HOUR = 3_600_000;
const LINKS = "perkie-portrait";
const SESSION = "perkie-session";

const attempt = (work, otherwise = null) => {
  try { return work(); } catch { return otherwise; } // private windows, a full or cleared store, a strict browser
};

const unique = () =>
  crypto.randomUUID ? crypto.randomUUID() : Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");

export { unique };

/** Remembers while `allowed()`; else everything ends with the page. */
export class Memory {
  constructor(allowed) {
    this.allowed = allowed;
  }

  get session() {
    const kept = this.allowed() && attempt(() => localStorage.getItem(SESSION));
    this.made ??= kept || unique();
    if (!kept && this.allowed()) attempt(() => localStorage.setItem(SESSION, this.made));
    return this.made;
  }

  /** Whether this is the first call under that name in the browser's session. */
  once(name) {
    if (!this.allowed()) return true;
    return attempt(() => {
      const first = !sessionStorage.getItem(name);
      sessionStorage.setItem(name, "1");
      return first;
    }, true);
  }

  /** The last photo's hash and its pictures whose links have not ended. */
  get links() {
    const kept = this.allowed() && attempt(() => JSON.parse(localStorage.getItem(LINKS)));
    if (kept?.v !== VERSION) return null;
    const valid = Object.entries(kept.pictures).filter(([, picture]) => Date.parse(picture.expires_at) > Date.now());
    return { ...kept, pictures: Object.fromEntries(valid) };
  }

  set links(links) {
    if (!this.allowed()) return;
    const linked = Object.entries(links.pictures).filter(([, picture]) => picture.expires_at); // a data URL is too long
    const kept = JSON.stringify({ v: VERSION, ...links, pictures: Object.fromEntries(linked) });
    attempt(() => localStorage.setItem(LINKS, kept));
  }

  /** The last photo with its state, or nothing: after an hour it is deleted. */
  async photo() {
    if (!this.allowed()) return null;
    const kept = await inStore("readonly", (store) => store.get("last"));
    if (kept && (kept.v !== VERSION || Date.now() - kept.at > HOUR)) {
      await this.forget();
      return null;
    }
    return kept ?? null;
  }

  async keep(photo) {
    if (this.allowed()) await inStore("readwrite", (store) => store.put({ v: VERSION, at: Date.now(), ...photo }, "last"));
  }

  async forget() {
    await inStore("readwrite", (store) => store.delete("last"));
  }
}

/** Asks IndexedDB; resolves to the answer, or to null where it cannot be used. */
function inStore(mode, ask) {
  return new Promise((resolve) => {
    const nothing = () => resolve(null);
    const opening = attempt(() => indexedDB.open("perkie", 1));
    if (!opening) return nothing();
    opening.onupgradeneeded = () => opening.result.createObjectStore("kept");
    opening.onerror = opening.onblocked = nothing;
    opening.onsuccess = () => {
      const database = opening.result;
      const begun = attempt(() => {
        const work = database.transaction("kept", mode);
        const asked = ask(work.objectStore("kept"));
        work.oncomplete = () => resolve(asked.result);
        work.onabort = work.onerror = nothing;
        return true;
      });
      if (!begun) nothing();
      database.close(); // waits for the work
    };
  });
}
