// @ts-check
import { pieceDrawing } from "./drawing.js";
import { counted } from "./elements.js";
import { KeyedList } from "./keyed-list.js";
import { piecesOf } from "./pieces.js";

/** @import { Conversation, Entry } from "./conversation.js" */
/** @import { Piece } from "./pieces.js" */

const NEARLY_THE_END_PX = 48;

/** A conversation, newest line last. It follows the newest unless the reader has scrolled up. */
export class Timeline {
  /** @type {KeyedList<Piece>} */
  #pieces;
  /** @type {Conversation | null} */
  #conversation = null;
  #following = true;
  /** The newest entry the reader has had before them. */
  #seen = 0;
  #lastTop = 0;

  /**
   * @param {object} parts
   * @param {HTMLElement} parts.log the scrolling region
   * @param {HTMLOListElement} parts.list
   * @param {HTMLElement} parts.empty shown until somebody writes
   * @param {HTMLButtonElement} parts.unread
   * @param {HTMLButtonElement} parts.earlier
   * @param {object} deeds
   * @param {(entry: Entry) => void} deeds.retry
   * @param {(name: string) => void} deeds.talkTo
   * @param {() => void} deeds.showEarlier
   */
  constructor({ log, list, empty, unread, earlier }, deeds) {
    this.log = log;
    this.list = list;
    this.empty = empty;
    this.unread = unread;
    this.earlier = earlier;
    this.#pieces = new KeyedList(list, pieceDrawing(deeds));
    log.addEventListener("scroll", () => this.#noticePosition(), { passive: true });
    unread.addEventListener("click", () => {
      this.follow();
      log.focus({ preventScroll: true });
    });
    earlier.addEventListener("click", () => {
      this.#following = false;
      deeds.showEarlier();
    });
    new ResizeObserver(() => this.#scrollToEnd()).observe(log);
  }

  /** @param {Conversation | null} conversation drawn at once: call it once a frame */
  show(conversation) {
    const isAnother = conversation !== this.#conversation;
    // What was said before is there to be read, not to be read out.
    this.log.ariaBusy = String(isAnother);
    const place = isAnother || this.#following ? null : this.#place();
    this.#pieces.show(conversation ? piecesOf(conversation) : []);
    this.#conversation = conversation;
    this.empty.hidden = conversation?.entries.some(({ kind }) => kind === "message") ?? false;
    this.earlier.hidden = (conversation?.earlierFrom ?? null) === null;
    if (isAnother) {
      this.#open();
      requestAnimationFrame(() => {
        this.log.ariaBusy = "false";
      });
    }
    if (place?.element.isConnected) {
      this.log.scrollTop += place.element.getBoundingClientRect().top - place.top;
    }
    this.#countUnread();
    this.#scrollToEnd();
  }

  /** To the newest line, and on with each that comes. */
  follow() {
    this.#following = true;
    this.#countUnread();
    this.#scrollToEnd();
  }

  /** What the reader has at the top of the view, and where, so that it can be put there again. */
  #place() {
    const edge = this.log.getBoundingClientRect().top;
    const element = [...this.list.children].find((child) => child.getBoundingClientRect().bottom > edge);
    return element && { element, top: element.getBoundingClientRect().top };
  }

  // At the first line not read yet, or at the end.
  #open() {
    const mark = this.#pieces.elementAt("mark");
    this.#following = true;
    this.log.scrollTop = this.log.scrollHeight;
    if (mark && mark.offsetTop < this.log.scrollTop) {
      this.log.scrollTop = mark.offsetTop;
      this.#following = false;
      this.#seen = (this.#conversation?.unreadFrom ?? 1) - 1;
    }
    this.#lastTop = this.log.scrollTop;
  }

  #scrollToEnd() {
    if (this.#following) {
      this.log.scrollTop = this.log.scrollHeight;
    }
  }

  #noticePosition() {
    const { scrollHeight, scrollTop, clientHeight } = this.log;
    const nearTheEnd = scrollHeight - scrollTop - clientHeight < NEARLY_THE_END_PX;
    // A region that shrinks moves its end away too; only the reader moves up.
    const movedUp = scrollTop < this.#lastTop;
    this.#lastTop = scrollTop;
    if (nearTheEnd) {
      this.#following = true;
      this.#countUnread();
    } else if (movedUp) {
      this.#following = false;
    }
  }

  #countUnread() {
    const entries = this.#conversation?.entries ?? [];
    if (this.#following) {
      this.#seen = entries.reduce((newest, { serial }) => Math.max(newest, serial), this.#seen);
    }
    const count = entries.filter(({ isNews, serial }) => isNews && serial > this.#seen).length;
    this.unread.hidden = count === 0;
    this.unread.textContent = counted(count, "new message");
  }
}
