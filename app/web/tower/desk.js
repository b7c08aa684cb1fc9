// @ts-check
import { negotiatedUrl } from "../access.js";
import { Connection, Delivery } from "../connection.js";
import { Board } from "./board.js";
import { read } from "./wire.js";

/** @import { Status } from "../connection.js" */
/** @import { Alert } from "./shapes.js" */
/** @import { Answer } from "./wire.js" */

const HUB = "tower";
const PATIENCE_MS = 20_000;
const AGAIN_AFTER_MS = 3_000;

/** The server's no, in its own words. */
export class Declined extends Error {}

/**
 * One party at its work, for as long as it stays.
 *
 * Events: `status` (detail: `Status`), `change` (something to draw), `alert` (detail: an `Alert` that is new),
 * `current` (all there was has been loaded).
 */
export class Desk extends EventTarget {
  board = new Board();
  /** When all that is shown was true last, Unix milliseconds; `null` while it is true. */
  staleSince = /** @type {number | null} */ (Date.now());
  /** @type {Map<string, { resolve: (answer: Answer) => void, reject: (error: Error) => void, timer: number }>} */
  #questions = new Map();
  #againTimer = 0;
  /** Raised to make a load of an earlier connection count for nothing. */
  #load = 0;

  /** @param {string} party */
  constructor(party) {
    super();
    this.me = party;
    this.connection = new Connection(() => negotiatedUrl(party, HUB));
    this.connection.addEventListener("status", () => this.#follow(this.connection.status));
    this.connection.addEventListener("message", (event) => {
      if (event instanceof CustomEvent) {
        this.#hear(event.detail);
      }
    });
  }

  get isConnected() {
    return this.connection.status.name === "connected";
  }

  leave() {
    clearTimeout(this.#againTimer);
    this.connection.close();
  }

  /**
   * Resolves with the answer. Rejects with `Declined`, or with another error when nobody knows whether it was done:
   * then the same `id` may be sent again, and counts once.
   *
   * @param {string} event
   * @param {Record<string, unknown>} data
   * @param {string} [id]
   * @returns {Promise<Answer>}
   */
  ask(event, data, id = crypto.randomUUID()) {
    const answered = new Promise((resolve, reject) => {
      const timer = setTimeout(() => this.#settle(id)?.reject(new Error("the server did not answer")), PATIENCE_MS);
      this.#questions.set(id, { resolve, reject, timer });
    });
    this.connection.send(new Delivery(event, { ...data, id })).catch((error) => this.#settle(id)?.reject(error));
    return /** @type {Promise<Answer>} */ (answered);
  }

  /** @param {Status} status */
  #follow(status) {
    clearTimeout(this.#againTimer);
    this.#load += 1;
    if (status.name === "connected") {
      this.me = status.userId || this.me;
      this.#loadAll();
    } else {
      this.staleSince ??= Date.now();
    }
    this.dispatchEvent(new CustomEvent("status", { detail: status }));
  }

  async #loadAll() {
    const load = this.#load;
    let after = "";
    try {
      do {
        const page = await this.ask("snapshot", after === "" ? {} : { after });
        if (page.type !== "snapshot" || load !== this.#load) {
          return;
        }
        this.board.fill(page);
        after = page.next;
        this.#changed();
      } while (after !== "");
    } catch {
      if (load === this.#load && this.isConnected) {
        this.#againTimer = setTimeout(() => this.#loadAll(), AGAIN_AFTER_MS);
      }
      return;
    }
    this.staleSince = null;
    this.dispatchEvent(new CustomEvent("current"));
    this.#changed();
  }

  /** @param {unknown} payload */
  #hear(payload) {
    const said = read(payload);
    switch (said?.type) {
      case "snapshot":
      case "detail":
      case "accepted":
        this.#settle(said.id)?.resolve(said);
        return;
      case "error":
        this.#settle(said.id)?.reject(new Declined(said.message));
        return;
      case "alert":
        this.#tellOfNew(said.alert);
    }
    if (said) {
      this.board.hear(said);
      this.#changed();
    }
  }

  /** @param {Alert} alert */
  #tellOfNew(alert) {
    if (alert.clearedAt === null && !this.board.alerts.has(alert.id)) {
      this.dispatchEvent(new CustomEvent("alert", { detail: alert }));
    }
  }

  /** @param {string} id */
  #settle(id) {
    const question = this.#questions.get(id);
    clearTimeout(question?.timer);
    this.#questions.delete(id);
    return question;
  }

  #changed() {
    this.dispatchEvent(new CustomEvent("change"));
  }
}
