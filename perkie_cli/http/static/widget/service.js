/** The perkie server: one warm-up, one token and one set of settings for all blocks of a page. */

export const QUIET = 60_000; // ms without a sign of life: then the request is sent again
const EARLY = 60_000; // ms before its end in which a token is renewed

/** A request that failed. `code` as in the server's problems; `wait`: seconds that it asks for, if it does. */
export class Trouble extends Error {
  constructor(code, { status = 0, message = code, retryable = false, wait = null } = {}) {
    super(message);
    Object.assign(this, { code, status, retryable, wait });
  }
}

/** A problem of the server as an error. */
export const trouble = (problem, status, wait) =>
  new Trouble((problem.type || "urn:perkie:problem:unavailable").split(":").pop(), {
    status,
    message: [problem.detail, problem.hint].filter(Boolean).join(". ") || `HTTP ${status}`,
    retryable: problem.retryable ?? status >= 500,
    wait: Number(wait || problem.retry_after) || null,
  });

export const lost = () => new Trouble("unreachable", { retryable: true });
export const parsed = (text) => {
  try { return JSON.parse(text); } catch { return {}; }
};

const known = new Map();

/** The service at `base`, the same for all who name it. `tokens`: where the shop hands out tokens, if it does. */
export function serviceAt(base, tokens) {
  const name = `${base} ${tokens}`;
  if (!known.has(name)) known.set(name, new Service(base, tokens));
  return known.get(name);
}

class Service {
  constructor(base, tokens) {
    this.base = base;
    this.tokens = tokens;
    this.own = null; // gives the page's own credential, where no shop hands out tokens
    this.token = null;
  }

  url(path) {
    return new URL(path, this.base).href;
  }

  async authorization() {
    const own = await this.own?.();
    if (own) return own;
    if (!this.tokens) return "";
    if (!this.token || Date.parse(this.token.expires_at) - Date.now() < EARLY) {
      const answer = await fetch(this.tokens, { headers: { Accept: "application/json" } }).catch(() => null);
      if (!answer) throw lost();
      if (!answer.ok) throw new Trouble("no_token", { status: answer.status, retryable: answer.status >= 500 });
      this.token = await answer.json();
    }
    return this.token.token;
  }

  async headers(more) {
    const token = await this.authorization();
    return token ? { ...more, Authorization: `Bearer ${token}` } : more;
  }

  /** What is offered and accepted here; fetched once a page. */
  settings() {
    this.asked ??= fetch(this.url("api/v1/widget")).then((answer) => answer.json());
    this.asked.catch(() => { this.asked = null; });
    return this.asked;
  }

  /** Starts the server while the customer still looks for a photo; once a session, and a failure does not matter. */
  warmUp(memory) {
    this.warmed ??= memory.once("perkie-warm") ? this.call("warmup", { method: "POST" }).catch(() => {}) : Promise.resolve();
    return this.warmed;
  }

  /** A short request with a JSON answer. */
  async call(path, { method = "GET", body, key, signal } = {}) {
    const headers = await this.headers({ Accept: "application/json", ...(key && { "Idempotency-Key": key }) });
    if (typeof body === "string") headers["Content-Type"] = "application/json";
    const limit = AbortSignal.timeout ? AbortSignal.timeout(QUIET) : undefined;
    const either = signal && limit && AbortSignal.any ? AbortSignal.any([signal, limit]) : signal || limit;
    let answer;
    try {
      answer = await fetch(this.url(path), { method, body, headers, signal: either });
    } catch {
      if (signal?.aborted) throw signal.reason;
      throw lost();
    }
    const content = parsed(await answer.text());
    if (!answer.ok) throw this.refused(trouble(content, answer.status, answer.headers.get("Retry-After")));
    return content;
  }

  refused(error) {
    if (error.status !== 401 || !this.token) return error;
    this.token = null; // perhaps it ended early: a new one is worth a try
    error.retryable = true;
    return error;
  }
}
