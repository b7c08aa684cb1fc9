// @ts-check
import { avatar, make, nameOf } from "../chat/elements.js";
import { KeyedList } from "../chat/keyed-list.js";
import { fill, nameOfLanguage, wordsIn } from "./words.js";

/** @import { Outgoing, Transcript } from "./transcript.js" */
/** @import { Line } from "./wire.js" */
/** @import { Words } from "./words.js" */

const SAME_BREATH_MS = 5 * 60_000;
const NEARLY_THE_END_PX = 48;

/** What the translator says of a text, as the key of what the page says of it. Other notes are no failure. */
const FAILURES = new Map(
  /** @type {[string, keyof Words][]} */ ([
    ["unknown phrase", "noteUnknownPhrase"],
    ["unknown language", "noteUnknownLanguage"],
    ["text too long", "noteTooLong"],
    ["took too long", "noteTookTooLong"],
    ["service unavailable", "noteUnavailable"],
    ["translation was garbled", "noteGarbled"],
  ]),
);
const PASSING = new Set(["took too long", "service unavailable", "translation was garbled"]);

/**
 * @typedef {object} Piece
 * @property {Line | Outgoing} said
 * @property {boolean} isOwn
 * @property {boolean} isContinued by the author of the line before
 * @property {boolean} isOpen whether the original is shown
 * @property {string} language the reader's
 */

/** The conversation, newest line last. It follows the newest unless the reader has scrolled up. */
export class LinesView {
  /** @type {KeyedList<Piece>} */
  #list;
  /** @type {Transcript | null} */
  #transcript = null;
  #languageShown = "";
  #me = "";
  #areAllOpen = false;
  /** Numbers of lines that are not as `#areAllOpen` says. */
  #exceptions = new Set();
  #isFollowing = true;
  #seen = 0;
  #lastTop = 0;

  /**
   * @param {object} parts
   * @param {HTMLElement} parts.log the scrolling region
   * @param {HTMLOListElement} parts.list
   * @param {HTMLElement} parts.empty
   * @param {HTMLButtonElement} parts.unread
   * @param {HTMLButtonElement} parts.earlier
   * @param {object} deeds
   * @param {(outgoing: Outgoing) => void} deeds.retry
   * @param {(line: Line) => void} deeds.tryAgain
   */
  constructor(parts, deeds) {
    this.parts = parts;
    this.deeds = deeds;
    this.#list = new KeyedList(parts.list, {
      keyOf: ({ said }) => ("number" in said ? said.number : said.key),
      stampOf: stampOf,
      create: () => make("li", "line"),
      update: (element, piece) => this.#draw(element, piece),
    });
    parts.log.addEventListener("scroll", () => this.#noticePosition(), { passive: true });
    parts.unread.addEventListener("click", () => {
      this.follow();
      parts.log.focus({ preventScroll: true });
    });
    new ResizeObserver(() => this.#scrollToEnd()).observe(parts.log);
  }

  get areAllOpen() {
    return this.#areAllOpen;
  }

  set areAllOpen(areAllOpen) {
    this.#areAllOpen = areAllOpen;
    this.#exceptions.clear();
    this.#redraw();
  }

  /**
   * Drawn at once: call it once a frame.
   *
   * @param {Transcript} transcript
   * @param {string} me
   */
  show(transcript, me) {
    const { log, empty, earlier } = this.parts;
    const heightBelow = log.scrollHeight - log.scrollTop;
    const firstBefore = this.#list.list.firstElementChild;
    this.#transcript = transcript;
    this.#me = me;
    this.#hush(transcript);
    const pieces = this.#pieces(transcript);
    this.#list.show(pieces);
    empty.hidden = pieces.length > 0;
    earlier.hidden = (transcript.lines[0]?.number ?? 1) <= 1;
    if (!this.#isFollowing && firstBefore && firstBefore !== this.#list.list.firstElementChild) {
      log.scrollTop = log.scrollHeight - heightBelow; // What came above must not move what is being read.
    }
    this.#countUnread();
    this.#scrollToEnd();
  }

  /** To the newest line, and on with each that comes. */
  follow() {
    this.#isFollowing = true;
    this.#countUnread();
    this.#scrollToEnd();
  }

  // What was said before is there to be read, in whichever language, not to be read out.
  #hush(/** @type {Transcript} */ { isWhole, language }) {
    const { log } = this.parts;
    if (!isWhole) {
      log.ariaBusy = "true";
    } else if (log.ariaBusy === "true" || language !== this.#languageShown) {
      this.#languageShown = language;
      log.ariaBusy = "true";
      requestAnimationFrame(() => {
        log.ariaBusy = "false";
      });
    }
  }

  #redraw() {
    if (this.#transcript) {
      this.show(this.#transcript, this.#me);
    }
  }

  /** @param {Transcript} transcript */
  #pieces({ lines, outgoing, language }) {
    /** @type {Piece[]} */
    const pieces = [];
    let before = { from: "", at: 0 };
    for (const line of lines) {
      pieces.push({
        said: line,
        isOwn: line.from === this.#me,
        isContinued: line.from === before.from && line.at - before.at < SAME_BREATH_MS,
        isOpen: line.isTranslated && this.#areAllOpen !== this.#exceptions.has(line.number),
        language,
      });
      before = line;
    }
    for (const said of outgoing.values()) {
      pieces.push({ said, isOwn: true, isContinued: before.from === this.#me, isOpen: false, language });
      before = { from: this.#me, at: said.at };
    }
    return pieces;
  }

  /**
   * @param {HTMLElement} element
   * @param {Piece} piece
   */
  #draw(element, piece) {
    const words = wordsIn(piece.language);
    const hadFocus = element.contains(document.activeElement);
    element.className = piece.isOwn ? "line own" : "line";
    element.classList.toggle("continued", piece.isContinued);
    const { said } = piece;
    if ("number" in said) {
      delete element.dataset.delivery;
      element.replaceChildren(...this.#lineParts(said, piece, words));
    } else {
      element.dataset.delivery = said.delivery;
      element.replaceChildren(...this.#outgoingParts(said, piece, words));
    }
    if (hadFocus) {
      element.querySelector("button")?.focus({ preventScroll: true });
    }
  }

  /**
   * @param {Line} line
   * @param {Piece} piece
   * @param {Words} words
   */
  #lineParts(line, { isOwn, isOpen, language }, words) {
    const bubble = make("div", "bubble");
    bubble.append(textOf("words", line.text, line.language));
    if (isOpen) {
      bubble.append(textOf("original", line.original, line.originalLanguage));
    }
    bubble.append(this.#footOf(line, isOpen, language, words));
    return [faceOf(line), bylineOf(line.from || words.somebody, isOwn ? words.you : ""), bubble];
  }

  /**
   * @param {Line} line
   * @param {boolean} isOpen
   * @param {string} language
   * @param {Words} words
   */
  #footOf(line, isOpen, language, words) {
    const foot = make("p", "meta");
    const failure = FAILURES.get(line.note);
    const source = line.originalLanguage ? nameOfLanguage(line.originalLanguage, language) : words.unknownLanguage;
    if (line.isTranslated) {
      foot.append(make("span", "source", source), this.#toggleOf(line, isOpen, words));
      if (line.note === "partly unknown") {
        foot.append(make("span", "shortfall", words.partly));
      }
    } else if (failure) {
      foot.append(make("span", "source", source));
      foot.append(make("span", "shortfall", fill(words.notTranslated, { why: words[failure] })));
    }
    if (!line.isTranslated && PASSING.has(line.note)) {
      const button = make("button", "link", words.tryAgain);
      button.addEventListener("click", () => this.deeds.tryAgain(line));
      foot.append(button);
    }
    foot.append(timeOf(line.at, language));
    return foot;
  }

  /**
   * @param {Line} line
   * @param {boolean} isOpen
   * @param {Words} words
   */
  #toggleOf({ number }, isOpen, words) {
    const button = make("button", "link", isOpen ? words.hideOriginal : words.showOriginal);
    button.ariaExpanded = String(isOpen);
    button.addEventListener("click", () => {
      if (!this.#exceptions.delete(number)) {
        this.#exceptions.add(number);
      }
      this.#redraw();
    });
    return button;
  }

  /**
   * @param {Outgoing} outgoing
   * @param {Piece} piece
   * @param {Words} words
   */
  #outgoingParts(outgoing, { language }, words) {
    const bubble = make("div", "bubble");
    const foot = make("p", "meta");
    foot.append(timeOf(outgoing.at, language));
    const said = { sending: words.sending, sent: words.sent, waiting: words.sending, failed: "" }[outgoing.delivery];
    foot.append(make("span", "delivery", said));
    bubble.append(textOf("words", outgoing.text, ""), foot);
    const parts = [bylineOf(this.#me, words.you), bubble];
    if (outgoing.delivery === "waiting" || outgoing.delivery === "failed") {
      const failure = make("p", "failure");
      const why = outgoing.delivery === "waiting" ? words.lost : outgoing.why || words.refused;
      failure.append(make("span", "", fill(words.notDelivered, { why })));
      if (outgoing.delivery === "failed") {
        const button = make("button", "link", words.retry);
        button.addEventListener("click", () => this.deeds.retry(outgoing));
        failure.append(button);
      }
      parts.push(failure);
    }
    return parts;
  }

  #scrollToEnd() {
    if (this.#isFollowing) {
      this.parts.log.scrollTop = this.parts.log.scrollHeight;
    }
  }

  #noticePosition() {
    const { scrollHeight, scrollTop, clientHeight } = this.parts.log;
    const isNearTheEnd = scrollHeight - scrollTop - clientHeight < NEARLY_THE_END_PX;
    // A region that shrinks moves its end away too; only the reader moves up.
    const movedUp = scrollTop < this.#lastTop;
    this.#lastTop = scrollTop;
    if (isNearTheEnd) {
      this.#isFollowing = true;
      this.#countUnread();
    } else if (movedUp) {
      this.#isFollowing = false;
    }
  }

  #countUnread() {
    const lines = this.#transcript?.lines ?? [];
    if (this.#isFollowing) {
      this.#seen = lines.at(-1)?.number ?? 0;
    }
    const count = lines.filter(({ number, from }) => number > this.#seen && from !== this.#me).length;
    this.parts.unread.hidden = count === 0;
    this.parts.unread.textContent = fill(wordsIn(this.#transcript?.language ?? "").newMessages, { count });
  }
}

const serials = new WeakMap();
let lastSerial = 0;

/** @param {Piece} piece */
function stampOf({ said, isOwn, isContinued, isOpen, language }) {
  const delivery = "delivery" in said ? said.delivery + said.why : "";
  if (!serials.has(said)) {
    serials.set(said, ++lastSerial);
  }
  return `${serials.get(said)} ${isOwn} ${isContinued} ${isOpen} ${language} ${delivery}`;
}

/**
 * A text somebody wrote, for eyes and for screen readers: which way it runs, and in which voice it is read.
 *
 * @param {string} className
 * @param {string} text
 * @param {string} language empty where nobody knows it
 */
function textOf(className, text, language) {
  const element = make("p", className, text);
  element.dir = "auto";
  element.lang = language;
  return element;
}

/** @param {Line} line */
function faceOf({ from, originalLanguage }) {
  const face = make("span", "face");
  face.ariaHidden = "true";
  face.append(avatar(from), make("span", "tongue", (originalLanguage || "?").slice(0, 2).toUpperCase()));
  return face;
}

/**
 * @param {string} name
 * @param {string} detail
 */
function bylineOf(name, detail) {
  const element = make("p", "author");
  element.append(nameOf("author-name", name));
  if (detail) {
    element.append(make("span", "author-detail", ` (${detail})`));
  }
  return element;
}

/** @type {Map<string, Intl.DateTimeFormat[]>} */
const clocks = new Map();

/**
 * @param {number} at Unix milliseconds
 * @param {string} language
 */
function timeOf(at, language) {
  let formats = clocks.get(language);
  if (!formats) {
    formats = [
      new Intl.DateTimeFormat([language, "en"], { hour: "2-digit", minute: "2-digit" }),
      new Intl.DateTimeFormat([language, "en"], { dateStyle: "full", timeStyle: "medium" }),
    ];
    clocks.set(language, formats);
  }
  const element = make("time", "time", formats[0].format(at));
  element.dateTime = new Date(at).toISOString();
  element.title = formats[1].format(at);
  return element;
}
