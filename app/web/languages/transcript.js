// @ts-check

/** @import { Line } from "./wire.js" */

const MOST_LINES = 1_000;

/**
 * @typedef {object} Outgoing an own message that has not come back as a line yet
 * @property {string} key
 * @property {string} text
 * @property {number} at Unix milliseconds
 * @property {"sending" | "sent" | "waiting" | "failed"} delivery `waiting`: for the connection to be back
 * @property {string} why it failed
 */

/** What is known of the room: lines in the order of their numbers, and own messages on their way. */
export class Transcript {
  /** @type {Map<number, Line>} */
  #lines = new Map();
  /** @type {Line[] | null} */
  #sorted = [];
  /** Numbers whose line is still in the language that was read before. */
  #stale = new Set();
  /** What came before the first line is no longer kept. */
  #hasBeginning = false;
  /** @type {Map<string, Outgoing>} */
  outgoing = new Map();
  /** Every line up to this number has been seen, or is no longer kept. */
  reached = 0;
  /** The language the reader has chosen. */
  language = "";

  #forgetLines() {
    this.#lines.clear();
    this.#stale.clear();
    this.#sorted = [];
    this.#hasBeginning = false;
    this.reached = 0;
  }

  /** The own message that has waited longest for its answer. */
  firstOnItsWay() {
    return [...this.outgoing.values()].find(({ delivery }) => delivery === "sending");
  }

  /** Oldest first. */
  get lines() {
    this.#sorted ??= [...this.#lines.values()].sort((one, other) => one.number - other.number);
    return this.#sorted;
  }

  /** Whether the lines here are all in the language the reader has chosen. */
  get isWhole() {
    return this.#stale.size === 0;
  }

  /** What is here stays until the same is there in the other language. */
  changeLanguage(/** @type {string} */ language) {
    if (language !== this.language) {
      this.language = language;
      this.#stale = new Set(this.#lines.keys());
    }
  }

  /**
   * A line as it comes. It may come twice, before its turn, or in a language that was read before.
   *
   * @param {Line} line
   * @returns {boolean} whether it was news
   */
  add(line) {
    const isNews = this.#put(line);
    this.#advance();
    return isNews;
  }

  /**
   * The newest lines, or those after `reached`: the answer of `enter` and `language`.
   *
   * @param {{ lines: Line[], number: number }} room
   * @param {number} reachedThen when this was asked for
   */
  open({ lines, number }, reachedThen) {
    if (number < reachedThen) {
      this.#forgetLines(); // The history began anew, and is asked for from its beginning.
      return;
    }
    for (const line of lines) {
      this.#put(line);
    }
    for (const stale of this.#stale) {
      this.#lines.delete(stale);
    }
    this.#stale.clear();
    this.#sorted = null;
    this.#reach(lines, number);
  }

  /**
   * What followed `after`: the answer of `since`.
   *
   * @param {number} after
   * @param {{ lines: Line[], number: number }} answer
   */
  fillIn(after, { lines, number }) {
    const first = this.lines[0]?.number ?? 1;
    if (after < first - 1 && !lines.some((line) => line.number < first)) {
      this.#hasBeginning = true;
    }
    for (const line of lines) {
      this.#put(line);
    }
    if (after >= this.reached) {
      this.#reach(lines, number);
    }
  }

  /** Whether there may be lines before these, and room for them. */
  get hasEarlier() {
    const [first] = this.lines;
    return !this.#hasBeginning && first !== undefined && first.number > 1 && this.#lines.size < MOST_LINES;
  }

  /** Whether a line has come that is not the next one. */
  get hasGap() {
    return this.lines.length > 0 && this.lines[this.lines.length - 1].number > this.reached;
  }

  /**
   * @param {Line[]} lines
   * @param {number} number the last one of the room
   */
  #reach(lines, number) {
    this.reached = Math.max(this.reached, lines.at(-1)?.number ?? number);
    this.#advance();
  }

  #advance() {
    while (this.#lines.has(this.reached + 1)) {
      this.reached += 1;
    }
  }

  /** @param {Line} line */
  #put(line) {
    const isForAnother = line.language !== this.language && (line.isTranslated || line.note === "");
    const known = this.#lines.get(line.number);
    if (isForAnother || (known && !this.#stale.has(line.number) && (known.isTranslated || !line.isTranslated))) {
      return false;
    }
    this.#lines.set(line.number, line);
    this.#stale.delete(line.number);
    this.outgoing.delete(line.key);
    this.#sorted = null;
    if (this.#lines.size > MOST_LINES) {
      this.#lines.delete(Math.min(...this.#lines.keys()));
    }
    return known === undefined;
  }
}
