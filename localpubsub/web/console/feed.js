// @ts-check

const FIRST_DELAY_MS = 500;
const LONGEST_DELAY_MS = 15_000;
// The service tells its rates each second, so silence means that nobody is there.
const SILENCE_LIMIT_MS = 20_000;
const LOOK_EVERY_MS = 5_000;
// A service that accepts and then closes at once must not be called back at the first delay for ever.
const STABLE_AFTER_MS = 5_000;

const CUT_OFF = "The connection to the service was cut off. It may have been stopped.";
const UNREACHABLE = "The service does not answer. It may not be running.";

/**
 * @typedef {{ name: "connecting" }
 *   | { name: "connected" }
 *   | { name: "waiting", retryAt: number, reason: string }} FeedStatus
 */

/**
 * The live feed. It comes back by itself, each time after a longer pause.
 *
 * Events: `status` (detail: `FeedStatus`) and `message` (detail: what the service told, an object with a `type`, and
 * how many characters that took).
 */
export class Feed extends EventTarget {
  /** @type {WebSocket | null} */
  #socket = null;
  /** @type {FeedStatus} */
  #status = { name: "connecting" };
  #failures = 0;
  #openedAt = 0;
  #lastHeard = 0;
  #retryTimer = 0;

  /** @param {URL} url */
  constructor(url) {
    super();
    this.url = url;
    setInterval(() => this.#look(), LOOK_EVERY_MS);
    document.addEventListener("visibilitychange", () => {
      if (!document.hidden) {
        this.open();
      }
    });
  }

  get status() {
    return this.#status;
  }

  /** Connects, at once even when a later attempt is planned. Does nothing while connected or connecting. */
  open() {
    if (this.#socket !== null) {
      return;
    }
    clearTimeout(this.#retryTimer);
    this.#openedAt = 0;
    this.#lastHeard = Date.now();
    this.#report({ name: "connecting" });
    const socket = new WebSocket(this.url);
    this.#socket = socket;
    socket.addEventListener("open", () => {
      if (socket === this.#socket) {
        this.#openedAt = Date.now();
        this.#report({ name: "connected" });
      }
    });
    socket.addEventListener("message", ({ data }) => {
      if (socket === this.#socket) {
        this.#receive(data);
      }
    });
    socket.addEventListener("close", ({ reason }) => {
      if (socket === this.#socket) {
        this.#lost(reason ? `The service closed the feed: “${reason}”.` : this.#openedAt ? CUT_OFF : UNREACHABLE);
      }
    });
  }

  /** @param {unknown} data */
  #receive(data) {
    this.#lastHeard = Date.now();
    const message = typeof data === "string" ? parse(data) : null;
    if (typeof message?.type === "string") {
      const detail = { message, characters: String(data).length };
      this.dispatchEvent(new CustomEvent("message", { detail }));
    }
  }

  #look() {
    if (this.#socket !== null && Date.now() - this.#lastHeard > SILENCE_LIMIT_MS) {
      this.#lost("The service has said nothing for a while.");
    }
  }

  /** @param {string} reason */
  #lost(reason) {
    const socket = this.#socket;
    this.#socket = null;
    socket?.close();
    const wasStable = this.#openedAt > 0 && Date.now() - this.#openedAt > STABLE_AFTER_MS;
    this.#failures = wasStable ? 0 : this.#failures;
    // Cut at random, so that the consoles of a team do not return as one.
    const delay = Math.min(LONGEST_DELAY_MS, FIRST_DELAY_MS * 2 ** this.#failures++) * (0.5 + Math.random() / 2);
    this.#retryTimer = setTimeout(() => this.open(), delay);
    this.#report({ name: "waiting", retryAt: Date.now() + delay, reason });
  }

  /** @param {FeedStatus} status */
  #report(status) {
    this.#status = status;
    this.dispatchEvent(new CustomEvent("status", { detail: status }));
  }
}

/**
 * @param {string} text
 * @returns {Record<string, any> | null}
 */
function parse(text) {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
