// @ts-check
import { avatar, counted, dayName, make, nameOf, timeOf } from "./elements.js";

/** @import { Entry } from "./conversation.js" */
/** @import { Piece } from "./pieces.js" */

const DELIVERY_WORDS = { sending: "Sending…", sent: "Sent", failed: "Not delivered" };

/**
 * How the pieces of a timeline look.
 *
 * @param {object} deeds
 * @param {(entry: Entry) => void} deeds.retry
 * @param {(name: string) => void} deeds.talkTo
 */
export function pieceDrawing({ retry, talkTo }) {
  return {
    /** @param {Piece} piece */
    keyOf: (piece) => piece.key,
    stampOf,
    /** @param {Piece} piece */
    create: (piece) => (piece.kind === "entry" ? createEntry(piece.entry, talkTo) : createDivider(piece)),
    /**
     * @param {HTMLElement} element
     * @param {Piece} piece
     */
    update: (element, piece) => {
      if (piece.kind === "entry" && piece.entry.kind === "message") {
        updateMessage(element, piece, retry);
      } else if (piece.kind === "gap") {
        element.textContent = gapWords(piece);
        element.classList.toggle("pending", !piece.isLost);
      }
    },
  };
}

/** @param {Piece} piece */
function stampOf(piece) {
  switch (piece.kind) {
    case "entry":
      return `${piece.continues} ${piece.entry.delivery} ${piece.entry.at} ${piece.entry.why}`;
    case "gap":
      return `${piece.count} ${piece.isLost}`;
    default:
      return piece.kind;
  }
}

/** @param {Exclude<Piece, { kind: "entry" }>} piece */
function createDivider(piece) {
  switch (piece.kind) {
    case "day":
      return make("li", "divider day", dayName(piece.at));
    case "mark":
      return make("li", "divider mark", "New");
    case "gap":
      return make("li", "divider gap");
  }
}

/** @param {Extract<Piece, { kind: "gap" }>} piece */
function gapWords({ count, isLost }) {
  const messages = counted(count, "message");
  return isLost ? `${messages} that the server no longer has` : `${messages} missing, asking for ${count === 1 ? "it" : "them"}…`;
}

/**
 * @param {Entry} entry
 * @param {(name: string) => void} talkTo
 */
function createEntry(entry, talkTo) {
  if (entry.kind === "note") {
    const element = make("li", "line system");
    element.append(make("p", "note", entry.text), timeOf(entry.at));
    return element;
  }
  const element = make("li", entry.own ? "line own" : "line");
  const bubble = make("div", "bubble");
  bubble.dir = "auto";
  bubble.append(make("p", "words", entry.text), make("p", "meta"));
  element.append(avatar(entry.from), byline(entry, talkTo), bubble);
  return element;
}

/**
 * @param {Entry} entry
 * @param {(name: string) => void} talkTo
 */
function byline({ from, own }, talkTo) {
  if (own) {
    return make("p", "author", "You");
  }
  const author = make("p", "author");
  const button = make("button", "author-name");
  button.type = "button";
  button.append(nameOf("", from));
  button.title = `Write to ${from} alone`;
  button.tabIndex = -1; // The list of people leads there, too, without a stop at every message.
  button.addEventListener("click", () => talkTo(from));
  author.append(button);
  return author;
}

/**
 * @param {HTMLElement} element
 * @param {Extract<Piece, { kind: "entry" }>} piece
 * @param {(entry: Entry) => void} retry
 */
function updateMessage(element, { entry, continues }, retry) {
  element.classList.toggle("continued", continues);
  const meta = element.querySelector(".meta");
  meta?.replaceChildren(timeOf(entry.at));
  element.querySelector(".failure")?.remove();
  if (entry.delivery === null) {
    return;
  }
  element.dataset.delivery = entry.delivery;
  meta?.append(make("span", "delivery", DELIVERY_WORDS[entry.delivery]));
  if (entry.delivery === "failed") {
    const failure = make("p", "failure");
    const button = make("button", "link", "Retry");
    button.type = "button";
    button.addEventListener("click", () => retry(entry));
    failure.append(make("span", "", `Not delivered: ${entry.why}. `), button);
    element.append(failure);
  }
}
