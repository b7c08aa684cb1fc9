// @ts-check
import { KeyedList } from "../chat/keyed-list.js";
import { pieceDrawing } from "./drawing.js";
import { fill, wordsIn } from "./words.js";

/** @import { Piece } from "./drawing.js" */
/** @import { Outgoing, Transcript } from "./transcript.js" */
/** @import { Line } from "./wire.js" */

const SAME_BREATH_MS = 5 * 60_000;
const NEARLY_THE_END_PX = 48;

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
    const toggle = (/** @type {Line} */ { number }) => {
      if (!this.#exceptions.delete(number)) {
        this.#exceptions.add(number);
      }
      this.#redraw();
    };
    this.#list = new KeyedList(parts.list, pieceDrawing({ ...deeds, toggle }));
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
    earlier.hidden = !transcript.hasEarlier;
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
        me: this.#me,
        isContinued: line.from === before.from && line.at - before.at < SAME_BREATH_MS,
        isOpen: line.isTranslated && this.#areAllOpen !== this.#exceptions.has(line.number),
        language,
      });
      before = line;
    }
    for (const said of outgoing.values()) {
      const isContinued = before.from === this.#me;
      pieces.push({ said, isOwn: true, me: this.#me, isContinued, isOpen: false, language });
      before = { from: this.#me, at: said.at };
    }
    return pieces;
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
