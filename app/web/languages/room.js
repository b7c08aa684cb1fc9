// @ts-check
import { negotiatedUrl } from "../access.js";
import { Connection, Delivery } from "../connection.js";
import { Transcript } from "./transcript.js";
import { LINES_AT_ONCE, read } from "./wire.js";

/** @import { Status } from "../connection.js" */
/** @import { Outgoing } from "./transcript.js" */
/** @import { Line, Said } from "./wire.js" */

const HUB = "languages";
const AGAIN_AFTER_MS = 3_000;

/**
 * One person in the room, for as long as they want to be there.
 *
 * Events: `status` (detail: `Status`), `change` (something to draw), `news` (a line nobody here had yet),
 * `refused` (detail: a sentence).
 */
export class Room extends EventTarget {
  transcript = new Transcript();
  /** @type {Map<string, Set<string>>} the languages of each */
  members = new Map();
  /** @type {Map<string, string>} what the server translates to */
  languages = new Map();
  isIn = false;
  /** The last number the server told of. */
  #number = 0;
  #reachedWhenAsked = 0;
  /** What the missing lines were asked to follow; `null` while none are. */
  #filling = /** @type {number | null} */ (null);
  #againTimer = 0;

  /**
   * @param {string} name
   * @param {string} language
   */
  constructor(name, language) {
    super();
    this.me = name;
    this.transcript.language = language;
    this.connection = new Connection(() => negotiatedUrl(name, HUB));
    this.connection.addEventListener("status", () => this.#follow(this.connection.status));
    this.connection.addEventListener("message", (event) => {
      const said = event instanceof CustomEvent ? read(event.detail) : null;
      if (said) {
        this.#hear(said);
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

  /** @param {string} language */
  read(language) {
    this.transcript.changeLanguage(language);
    if (this.isConnected) {
      this.#askForRoom("language", { language });
    }
    this.#changed();
  }

  /** @param {string} text */
  say(text) {
    const key = crypto.randomUUID();
    /** @type {Outgoing} */
    const outgoing = { key, text, at: Date.now(), delivery: "sending", why: "" };
    this.transcript.outgoing.set(key, outgoing);
    this.deliver(outgoing);
  }

  /**
   * The server knows the key, so nothing is said twice.
   *
   * @param {Outgoing} outgoing
   */
  async deliver(outgoing) {
    outgoing.delivery = "sending";
    this.#changed();
    try {
      await this.connection.send(new Delivery("say", { message: outgoing.text, key: outgoing.key }));
      // The server's own answer comes first, and may have been a refusal.
      outgoing.delivery = outgoing.delivery === "sending" ? "sent" : outgoing.delivery;
    } catch {
      outgoing.delivery = this.isConnected ? "failed" : "waiting";
    }
    this.#changed();
  }

  showEarlier() {
    const [first] = this.transcript.lines;
    if (first) {
      const missing = Math.min(LINES_AT_ONCE, first.number - 1);
      this.#send("since", { number: first.number - 1 - missing, limit: missing });
    }
  }

  /** @param {Line} line one that was not translated */
  tryAgain(line) {
    this.#send("since", { number: line.number - 1, limit: 1 });
  }

  /** @param {Status} status */
  #follow(status) {
    clearTimeout(this.#againTimer);
    if (status.name === "connected") {
      this.me = status.userId || this.me;
      this.#enter();
    } else {
      this.isIn = false;
    }
    this.dispatchEvent(new CustomEvent("status", { detail: status }));
  }

  #enter() {
    const { transcript } = this;
    const since = transcript.isWhole && transcript.lines.length > 0 ? transcript.reached : undefined;
    this.#filling = null;
    this.#askForRoom("enter", { language: transcript.language, since });
  }

  /**
   * @param {string} event
   * @param {object} data
   */
  async #askForRoom(event, data) {
    this.#reachedWhenAsked = this.transcript.reached;
    if (!(await this.#send(event, data)) && this.isConnected) {
      this.#enterAgainSoon();
    }
  }

  #enterAgainSoon() {
    clearTimeout(this.#againTimer);
    this.#againTimer = setTimeout(() => this.#enter(), AGAIN_AFTER_MS);
  }

  #fillAgainSoon() {
    setTimeout(() => {
      this.#filling = null;
      this.#fillGap();
    }, AGAIN_AFTER_MS);
  }

  /**
   * @param {string} event
   * @param {object} data
   * @returns {Promise<boolean>} whether the server took it
   */
  async #send(event, data) {
    try {
      await this.connection.send(new Delivery(event, data));
      return true;
    } catch {
      if (event === "since") {
        this.#filling = null;
      }
      return false;
    }
  }

  /** @param {Said} said */
  #hear(said) {
    switch (said.type) {
      case "room":
        this.#open(said);
        break;
      case "lines":
        if (said.language === this.transcript.language) {
          this.transcript.fillIn(said.since, said);
        }
        this.#filling = said.since === this.#filling ? null : this.#filling;
        break;
      case "message":
        if (this.transcript.add(said.line)) {
          this.dispatchEvent(new CustomEvent("news", { detail: said.line }));
        }
        break;
      case "presence":
        this.#meet(said);
        break;
      case "error":
        this.#beRefused(said);
        break;
      case "said": // The line itself will come.
    }
    this.#fillGap();
    this.#changed();
  }

  /** @param {Extract<Said, { type: "room" }>} said */
  #open(said) {
    this.members = said.members;
    this.languages = said.languages;
    if (said.language !== this.transcript.language) {
      return; // Chosen again meanwhile; another answer is on its way.
    }
    this.isIn = true;
    this.#number = said.number;
    this.transcript.open(said, this.#reachedWhenAsked);
    for (const outgoing of this.transcript.outgoing.values()) {
      if (outgoing.delivery === "waiting") {
        this.deliver(outgoing);
      }
    }
  }

  /** @param {Extract<Said, { type: "presence" }>} said */
  #meet({ user, language, isIn }) {
    const languages = this.members.get(user) ?? new Set();
    if (isIn) {
      languages.add(language);
    } else {
      languages.delete(language);
    }
    if (languages.size > 0) {
      this.members.set(user, languages);
    } else {
      this.members.delete(user);
    }
  }

  /** @param {Extract<Said, { type: "error" }>} said */
  #beRefused({ event, code, message, key }) {
    // What refuses before the hub has read the event names no key; answers come in the order of the events.
    const isKeyless = event === "say" && key === "";
    const outgoing = isKeyless ? this.transcript.firstOnItsWay() : this.transcript.outgoing.get(key);
    if (code === "not-in-room") {
      if (outgoing) {
        outgoing.delivery = "waiting";
      }
      this.#enter();
    } else if (outgoing) {
      outgoing.delivery = "failed";
      outgoing.why = message;
    } else if (event === "since") {
      this.#fillAgainSoon();
    } else if (code === "unavailable" || code === "too-many") {
      this.#enterAgainSoon();
    } else if (event === "enter" || event === "language") {
      this.dispatchEvent(new CustomEvent("refused", { detail: message }));
    }
  }

  // Lines can be lost on their way; their numbers tell.
  #fillGap() {
    const { transcript } = this;
    if (this.isIn && this.#filling === null && (transcript.hasGap || transcript.reached < this.#number)) {
      this.#filling = transcript.reached;
      this.#send("since", { number: transcript.reached });
    }
  }

  #changed() {
    this.dispatchEvent(new CustomEvent("change"));
  }
}
