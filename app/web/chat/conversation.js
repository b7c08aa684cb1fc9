// @ts-check

/** @import { SaidLine } from "./wire.js" */

const MOST_ENTRIES = 1_000;
const EARLIER_AT_ONCE = 50;
const NOT_PLACED_YET = Number.POSITIVE_INFINITY;

/**
 * @typedef {object} Entry
 * @property {number} serial tells entries apart, and grows
 * @property {"message" | "note"} kind a note is the page's own word: who came, who left
 * @property {number} place where it belongs among the others
 * @property {number | null} number the server's, in rooms
 * @property {string} id empty for what has none
 * @property {number} at Unix milliseconds
 * @property {string} from
 * @property {string} text
 * @property {boolean} own
 * @property {boolean} isNews it came while the reader was in, from somebody else
 * @property {string} key of an own message that is on its way, or was
 * @property {"sending" | "sent" | "failed" | null} delivery own messages written on this page only
 * @property {string} why it failed
 */

let lastSerial = 0;

/** What was said in a room or between two people, in order, each line once. It knows nothing of the page. */
export class Conversation {
  /** @type {Entry[]} */
  entries = [];
  /** @type {Map<string, number>} who is in, and since when (Unix milliseconds) */
  members = new Map();
  draft = "";
  unread = 0;
  /** The first entry not read when the conversation was last opened; 0 for none. */
  unreadFrom = 0;
  hasEarlier = false;
  /** The server has let us in, on this connection. */
  isIn = false;

  /** The number we said we had when we last asked to be let in; `null` the first time. */
  #since = /** @type {number | null} */ (null);
  #wasIn = false;
  #ids = new Set();
  #numbers = new Set();
  /** @type {Map<string, Entry>} */
  #pending = new Map();
  /** Numbers after which the server has nothing left to give. */
  #lost = new Set();
  /** The highest number the server has spoken of, and the one before the first that concerns us. */
  #top = 0;
  #floor = 0;

  /**
   * @param {string} name a room's, or the other person's
   * @param {boolean} isPrivate
   */
  constructor(name, isPrivate) {
    this.name = name;
    this.isPrivate = isPrivate;
  }

  /**
   * Before the server is asked to let us in, again or for the first time.
   *
   * @returns {number | null} the number up to which nothing is missing; `null` for one who was never in
   */
  knock() {
    this.isIn = false;
    this.#since = this.#wasIn ? (this.missingAfter() ?? Math.max(this.#newest(), this.#floor)) : null;
    return this.#since;
  }

  /**
   * @param {SaidLine} line
   * @param {{ me: string, isNews: boolean }} circumstances
   * @returns {Entry | null} `null` for a repeat, and for the copy of an own message that is shown already
   */
  add(line, { me, isNews }) {
    const { id, number, at, from, text, key } = line;
    if (this.#ids.has(id) || this.#numbers.has(number)) {
      return null;
    }
    const own = from === me;
    const pending = own ? this.#pending.get(key) : undefined;
    if (pending) {
      this.#take(pending);
    }
    const entry = pending ?? this.#entry({ from, text, own, isNews: isNews && !own, key });
    Object.assign(entry, { id, number, at, place: this.#placeOf(line) });
    if (pending) {
      settle(pending);
      this.#pending.delete(key);
    }
    this.#remember(entry);
    this.#insert(entry);
    return pending ? null : entry;
  }

  /** @param {string} text */
  note(text) {
    const place = this.isPrivate ? Date.now() : this.#newest();
    this.#insert(this.#entry({ kind: "note", text, place }));
  }

  /**
   * An own message, before anybody has confirmed it.
   *
   * @param {string} from
   * @param {string} text
   * @param {string} key
   */
  addPending(from, text, key) {
    const entry = this.#entry({ from, text, own: true, key, delivery: "sending" });
    this.#pending.set(key, entry);
    this.#insert(entry);
    return entry;
  }

  /** @param {string} key */
  pendingOf(key) {
    return this.#pending.get(key);
  }

  /**
   * The server's account of the room on coming in, or on coming back.
   *
   * @param {{ number: number, lines: SaidLine[], members: Map<string, number> }} account
   * @param {string} me
   */
  enter({ number, lines, members }, me) {
    const since = this.#since;
    const isAnew = since !== null && number < since;
    if (isAnew) {
      this.#beginAnew();
    }
    if (isAnew || since === null) {
      this.#floor = lines.length > 0 ? (lines[0].number ?? 1) - 1 : number;
      this.hasEarlier = this.#floor > 0 && lines.length > 0;
    }
    this.isIn = true;
    this.#wasIn = true;
    this.members = members;
    this.#top = Math.max(this.#top, number);
    return this.addAll(lines, { me, isNews: since !== null });
  }

  /**
   * @param {SaidLine[]} lines
   * @param {{ me: string, isNews: boolean }} circumstances
   */
  addAll(lines, circumstances) {
    return lines.map((line) => this.add(line, circumstances)).filter((entry) => entry !== null);
  }

  /** @returns {number | null} the number after which lines are missing that the server may still have */
  missingAfter() {
    let last = this.#floor;
    for (const { number } of this.entries) {
      if (number !== null) {
        if (number > last + 1 && !this.#lost.has(last)) {
          return last;
        }
        last = Math.max(last, number);
      }
    }
    return last < this.#top && !this.#lost.has(last) ? last : null;
  }

  /** @param {number} number the server has nothing more between this one and the next we have */
  giveUp(number) {
    this.#lost.add(number);
  }

  /** @param {number} number */
  isLost(number) {
    return this.#lost.has(number);
  }

  /** @returns {number | null} the number to ask from for what was said before the first entry */
  get earlierFrom() {
    const first = this.#first();
    const isFull = this.entries.length > MOST_ENTRIES - EARLIER_AT_ONCE;
    return this.hasEarlier && first > 1 && !isFull ? Math.max(0, first - 1 - EARLIER_AT_ONCE) : null;
  }

  /**
   * @param {SaidLine[]} lines
   * @param {string} me
   */
  addEarlier(lines, me) {
    const first = this.#first();
    this.#floor = Math.min(this.#floor, (lines[0]?.number ?? first) - 1);
    this.addAll(lines, { me, isNews: false });
    this.hasEarlier = this.#first() < first && this.#first() > 1;
  }

  // A server that lost its store counts from 1 again: what we have is older than all it will say.
  #beginAnew() {
    for (const entry of this.entries) {
      entry.number = null;
      entry.place = entry.place === NOT_PLACED_YET ? NOT_PLACED_YET : 0;
    }
    this.#top = 0;
    this.#lost.clear();
    this.#numbers.clear();
  }

  /** @param {Partial<Entry>} members */
  #entry(members) {
    /** @type {Entry} */
    const entry = {
      serial: ++lastSerial,
      kind: "message",
      place: NOT_PLACED_YET,
      number: null,
      id: "",
      at: Date.now(),
      from: "",
      text: "",
      own: false,
      isNews: false,
      key: "",
      delivery: null,
      why: "",
    };
    return Object.assign(entry, members);
  }

  /** @param {SaidLine} line */
  #placeOf({ number, at }) {
    return this.isPrivate ? at : (number ?? this.#newest());
  }

  /** @param {Entry} entry */
  #remember({ id, number }) {
    if (id !== "") {
      this.#ids.add(id);
    }
    if (number !== null) {
      this.#numbers.add(number);
      this.#top = Math.max(this.#top, number);
    }
  }

  /** @param {Entry} entry */
  #insert(entry) {
    let index = this.entries.length;
    while (index > 0 && this.entries[index - 1].place > entry.place) {
      index -= 1;
    }
    this.entries.splice(index, 0, entry);
    if (this.entries.length > MOST_ENTRIES) {
      this.#forgetOldest();
    }
  }

  /** @param {Entry} entry */
  #take(entry) {
    this.entries.splice(this.entries.indexOf(entry), 1);
  }

  #forgetOldest() {
    const oldest = this.entries.shift();
    if (oldest) {
      this.#ids.delete(oldest.id);
      this.#numbers.delete(oldest.number);
      this.#pending.delete(oldest.key);
      this.#floor = Math.max(this.#floor, oldest.number ?? 0);
    }
    this.hasEarlier = false;
  }

  #first() {
    return this.entries.find(({ number }) => number !== null)?.number ?? this.#floor + 1;
  }

  #newest() {
    return this.entries.findLast(({ number }) => number !== null)?.number ?? this.#floor;
  }
}

/** @param {Entry} entry is known to have arrived */
export function settle(entry) {
  entry.delivery = entry.delivery && "sent";
  entry.why = "";
}

/**
 * @param {Entry} entry
 * @param {string} why
 */
export function fail(entry, why) {
  // The copy may have come before the bad news about the original.
  if (entry.delivery !== "sent") {
    entry.delivery = "failed";
    entry.why = why;
  }
}
