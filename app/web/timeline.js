// @ts-check

const MOST_LINES = 1_000;
const NEARLY_THE_END_PX = 48;
const SAME_BREATH_MS = 5 * 60_000;
const TINTS = 6;

const clock = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit" });
const calendar = new Intl.DateTimeFormat(undefined, { dateStyle: "full", timeStyle: "medium" });
const letters = new Intl.Segmenter();

/**
 * @typedef {object} Line
 * @property {HTMLLIElement} element
 * @property {string} author empty for the room's own lines
 * @property {string} text
 * @property {number} at
 * @property {string} [id]
 * @property {"sending" | "sent" | "failed"} [delivery] own lines only
 * @property {boolean} [echoed] the server's copy of this own line has arrived
 */

/** The lines of the conversation, newest last. It follows the newest unless the reader has scrolled up. */
export class Timeline {
  /** @type {Line[]} */
  #lines = [];
  #ids = new Set();
  #following = true;
  #unread = 0;
  #scrollPlanned = false;
  #lastTop = 0;

  /**
   * @param {object} parts
   * @param {HTMLElement} parts.log the scrolling region
   * @param {HTMLOListElement} parts.list
   * @param {HTMLElement} parts.empty shown until somebody writes
   * @param {HTMLButtonElement} parts.unread
   */
  constructor({ log, list, empty, unread }) {
    this.log = log;
    this.list = list;
    this.empty = empty;
    this.unread = unread;
    log.addEventListener("scroll", () => this.#noticePosition(), { passive: true });
    unread.addEventListener("click", () => {
      this.#follow();
      log.focus({ preventScroll: true });
    });
    new ResizeObserver(() => this.#scrollSoon()).observe(log);
  }

  clear() {
    this.#lines = [];
    this.#ids.clear();
    this.list.replaceChildren();
    this.empty.hidden = false;
    this.#follow();
  }

  /**
   * @param {string} text
   * @param {string} [id]
   * @returns {boolean} false for a repeat, which is dropped
   */
  addSystem(text, id) {
    if (id !== undefined && this.#ids.has(id)) {
      return false;
    }
    const element = item("line system");
    element.append(make("p", "note", text), timeOf(Date.now()));
    /** @type {Line} */
    const added = { element, author: "", text, at: Date.now() };
    this.#append(added);
    this.#remember(added, id);
    return true;
  }

  /**
   * @param {string} author
   * @param {string} text
   * @param {{ own: boolean, id?: string }} details
   * @returns {boolean} false for a repeat, which is dropped, and for the copy of an own line that is there already
   */
  addMessage(author, text, { own, id }) {
    if (id !== undefined && this.#ids.has(id)) {
      return false;
    }
    const line = own ? this.#awaitingCopy(author, text) : undefined;
    if (line) {
      line.echoed = true;
      this.#remember(line, id);
      this.markSent(line);
      return false;
    }
    const added = this.#appendBubble(author, text, own);
    added.echoed = true;
    this.#remember(added, id);
    return true;
  }

  /**
   * An own message, shown before anybody has confirmed it.
   *
   * @param {string} author
   * @param {string} text
   */
  addSending(author, text) {
    const line = this.#appendBubble(author, text, true);
    line.element.querySelector(".meta")?.append(make("span", "delivery"));
    this.markSending(line);
    this.#follow();
    return line;
  }

  /** @param {Line} line */
  markSending(line) {
    this.#mark(line, "sending", "Sending…");
  }

  /** @param {Line} line */
  markSent(line) {
    this.#mark(line, "sent", "Sent");
  }

  /**
   * @param {Line} line
   * @param {string} why
   * @param {() => void} retry
   */
  markFailed(line, why, retry) {
    if (line.delivery === "sent") {
      return;
    }
    this.#mark(line, "failed", "Not delivered");
    const failure = make("p", "failure");
    const button = make("button", "link", "Retry");
    button.addEventListener("click", retry);
    failure.append(make("span", "", `Not delivered: ${why}. `), button);
    line.element.append(failure);
    this.#scrollSoon();
  }

  /**
   * @param {Line} line
   * @param {NonNullable<Line["delivery"]>} delivery
   * @param {string} words
   */
  #mark(line, delivery, words) {
    line.delivery = delivery;
    line.element.dataset.delivery = delivery;
    line.element.querySelector(".failure")?.remove();
    const label = line.element.querySelector(".delivery");
    if (label) {
      label.textContent = words;
    }
  }

  /**
   * The own line a copy from the server belongs to. One given up for lost comes last: it may have been typed again.
   *
   * @param {string} author
   * @param {string} text
   */
  #awaitingCopy(author, text) {
    const candidates = this.#lines.filter(
      (line) => line.delivery && !line.echoed && line.author === author && line.text === text,
    );
    return candidates.find((line) => line.delivery !== "failed") ?? candidates[0];
  }

  /**
   * @param {Line} line
   * @param {string | undefined} id
   */
  #remember(line, id) {
    if (id !== undefined) {
      line.id = id;
      this.#ids.add(id);
    }
  }

  /**
   * @param {string} author
   * @param {string} text
   * @param {boolean} own
   */
  #appendBubble(author, text, own) {
    const at = Date.now();
    const previous = this.#lines.at(-1);
    const element = item(own ? "line own" : "line");
    element.classList.toggle("continued", previous?.author === author && at - previous.at < SAME_BREATH_MS);
    const bubble = make("div", "bubble");
    const words = make("p", "words", text);
    words.dir = "auto";
    const meta = make("p", "meta");
    meta.append(timeOf(at));
    bubble.append(words, meta);
    element.append(avatar(author), byline(author, own), bubble);
    /** @type {Line} */
    const line = { element, author, text, at };
    this.empty.hidden = true;
    this.#append(line);
    return line;
  }

  /** @param {Line} line */
  #append(line) {
    this.#lines.push(line);
    this.list.append(line.element);
    if (this.#lines.length > MOST_LINES) {
      this.#removeOldest();
    }
    if (this.#following) {
      this.#scrollSoon();
    } else {
      this.#countUnread(this.#unread + 1);
    }
  }

  #removeOldest() {
    const oldest = this.#lines.shift();
    oldest?.element.remove();
    this.#ids.delete(oldest?.id);
    // What it continued is gone, so it has to name its author itself.
    this.#lines[0]?.element.classList.remove("continued");
  }

  #follow() {
    this.#following = true;
    this.#countUnread(0);
    this.#scrollSoon();
  }

  // Once per frame: measuring after each line of a burst would lay the page out each time.
  #scrollSoon() {
    if (this.#scrollPlanned || !this.#following) {
      return;
    }
    this.#scrollPlanned = true;
    requestAnimationFrame(() => {
      this.#scrollPlanned = false;
      if (this.#following) {
        this.log.scrollTop = this.log.scrollHeight;
      }
    });
  }

  #noticePosition() {
    const { scrollHeight, scrollTop, clientHeight } = this.log;
    const nearTheEnd = scrollHeight - scrollTop - clientHeight < NEARLY_THE_END_PX;
    // A region that shrinks moves its end away too; only the reader moves up.
    const movedUp = scrollTop < this.#lastTop;
    this.#lastTop = scrollTop;
    if (this.#scrollPlanned) {
      return;
    }
    if (nearTheEnd) {
      this.#following = true;
      this.#countUnread(0);
    } else if (movedUp) {
      this.#following = false;
    }
  }

  /** @param {number} count */
  #countUnread(count) {
    this.#unread = count;
    this.unread.hidden = count === 0;
    this.unread.textContent = count === 1 ? "1 new message" : `${count} new messages`;
  }
}

/**
 * @template {keyof HTMLElementTagNameMap} Tag
 * @param {Tag} tag
 * @param {string} className
 * @param {string} [text] shown as it is: nothing in it is markup
 */
function make(tag, className, text) {
  const element = document.createElement(tag);
  element.className = className;
  if (text !== undefined) {
    element.textContent = text;
  }
  return element;
}

/** @param {string} className */
function item(className) {
  return make("li", className);
}

/** @param {number} at */
function timeOf(at) {
  const element = make("time", "time", clock.format(at));
  element.dateTime = new Date(at).toISOString();
  element.title = calendar.format(at);
  return element;
}

/** @param {string} author */
function avatar(author) {
  const [first] = letters.segment(author.trim() || "?");
  const element = make("span", "avatar", first.segment.toLocaleUpperCase());
  element.dataset.tint = String(tintOf(author));
  element.ariaHidden = "true";
  return element;
}

/**
 * @param {string} author
 * @param {boolean} own
 */
function byline(author, own) {
  const element = make("p", "author", own ? "You" : author);
  element.dir = "auto";
  return element;
}

/** @param {string} author */
function tintOf(author) {
  let sum = 0;
  for (const character of author) {
    sum = (sum * 31 + (character.codePointAt(0) ?? 0)) % 9973;
  }
  return sum % TINTS;
}
