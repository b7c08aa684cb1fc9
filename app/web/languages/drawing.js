// @ts-check
import { avatar, make, nameOf } from "../chat/elements.js";
import { fill, nameOfLanguage, wordsIn } from "./words.js";

/** @import { Drawing } from "../chat/keyed-list.js" */
/** @import { Outgoing } from "./transcript.js" */
/** @import { Line } from "./wire.js" */
/** @import { Words } from "./words.js" */

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
 * @property {string} me
 * @property {boolean} isContinued by the author of the line before
 * @property {boolean} isOpen whether the original is shown
 * @property {string} language the reader's
 */

/**
 * @typedef {object} Deeds
 * @property {(outgoing: Outgoing) => void} retry
 * @property {(line: Line) => void} tryAgain
 * @property {(line: Line) => void} toggle its original
 */

/**
 * How a `KeyedList` draws the conversation.
 *
 * @param {Deeds} deeds
 * @returns {Drawing<Piece>}
 */
export function pieceDrawing(deeds) {
  return {
    keyOf: ({ said }) => ("number" in said ? said.number : said.key),
    stampOf,
    create: () => make("li", "line"),
    update: (element, piece) => draw(element, piece, deeds),
  };
}

/**
 * @param {HTMLElement} element
 * @param {Piece} piece
 * @param {Deeds} deeds
 */
function draw(element, piece, deeds) {
  const words = wordsIn(piece.language);
  const hadFocus = element.contains(document.activeElement);
  element.className = piece.isOwn ? "line own" : "line";
  element.classList.toggle("continued", piece.isContinued);
  const { said } = piece;
  if ("number" in said) {
    delete element.dataset.delivery;
    element.replaceChildren(...lineParts(said, piece, words, deeds));
  } else {
    element.dataset.delivery = said.delivery;
    element.replaceChildren(...outgoingParts(said, piece, words, deeds));
  }
  if (hadFocus) {
    element.querySelector("button")?.focus({ preventScroll: true });
  }
}

/**
 * @param {Line} line
 * @param {Piece} piece
 * @param {Words} words
 * @param {Deeds} deeds
 */
function lineParts(line, { isOwn, isOpen, language }, words, deeds) {
  const bubble = make("div", "bubble");
  bubble.append(textOf("words", line.text, line.language));
  if (isOpen) {
    bubble.append(textOf("original", line.original, line.originalLanguage));
  }
  bubble.append(footOf(line, { isOpen, language }, words, deeds));
  return [faceOf(line), bylineOf(line.from || words.somebody, isOwn ? words.you : ""), bubble];
}

/**
 * @param {Line} line
 * @param {{ isOpen: boolean, language: string }} piece
 * @param {Words} words
 * @param {Deeds} deeds
 */
function footOf(line, { isOpen, language }, words, deeds) {
  const foot = make("p", "meta");
  const failure = FAILURES.get(line.note);
  const source = line.originalLanguage ? nameOfLanguage(line.originalLanguage, language) : words.unknownLanguage;
  if (line.isTranslated) {
    foot.append(make("span", "source", source), toggleOf(line, isOpen, words, deeds));
    if (line.note === "partly unknown") {
      foot.append(make("span", "shortfall", words.partly));
    }
  } else if (failure) {
    foot.append(make("span", "source", source));
    foot.append(make("span", "shortfall", fill(words.notTranslated, { why: words[failure] })));
  }
  if (!line.isTranslated && PASSING.has(line.note)) {
    const button = make("button", "link", words.tryAgain);
    button.addEventListener("click", () => deeds.tryAgain(line));
    foot.append(button);
  }
  foot.append(timeOf(line.at, language));
  return foot;
}

/**
 * @param {Line} line
 * @param {boolean} isOpen
 * @param {Words} words
 * @param {Deeds} deeds
 */
function toggleOf(line, isOpen, words, deeds) {
  const button = make("button", "link", isOpen ? words.hideOriginal : words.showOriginal);
  button.ariaExpanded = String(isOpen);
  button.addEventListener("click", () => deeds.toggle(line));
  return button;
}

/**
 * @param {Outgoing} outgoing
 * @param {Piece} piece
 * @param {Words} words
 * @param {Deeds} deeds
 */
function outgoingParts(outgoing, { me, language }, words, deeds) {
  const bubble = make("div", "bubble");
  const foot = make("p", "meta");
  foot.append(timeOf(outgoing.at, language));
  const progress = { sending: words.sending, sent: words.sent, waiting: "", failed: "" }[outgoing.delivery];
  foot.append(make("span", "delivery", progress));
  bubble.append(textOf("words", outgoing.text, ""), foot);
  const parts = [bylineOf(me, words.you), bubble];
  if (outgoing.delivery === "waiting" || outgoing.delivery === "failed") {
    const failure = make("p", "failure");
    const why = outgoing.delivery === "waiting" ? words.lost : outgoing.why || words.refused;
    failure.append(make("span", "", fill(words.notDelivered, { why })));
    if (outgoing.delivery === "failed") {
      const button = make("button", "link", words.retry);
      button.addEventListener("click", () => deeds.retry(outgoing));
      failure.append(button);
    }
    parts.push(failure);
  }
  return parts;
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
