// @ts-check
import { part } from "../chat/elements.js";
import { partyWords } from "./rules.js";
import { exactTime } from "./words.js";

/** @import { Status } from "../connection.js" */
/** @import { Desk } from "./desk.js" */

const COUNTDOWN_TICK_MS = 250;

const state = part("state", HTMLElement);
const stateWord = part("state-word", HTMLElement);
const stateReason = part("state-reason", HTMLElement);
const notice = part("notice", HTMLElement);
const noticeReason = part("notice-reason", HTMLElement);
const noticePlan = part("notice-plan", HTMLElement);
const connectButton = part("connect", HTMLButtonElement);
const stale = part("stale", HTMLElement);

/** What the connection does, in words, and how old the rest of the page is. */
export class StatusLine {
  #countdown = 0;
  /** @type {Status | null} */
  #shown = null;

  /** @param {() => void} connect */
  constructor(connect) {
    connectButton.addEventListener("click", connect);
  }

  /**
   * @param {Status} status
   * @param {Desk | null} desk
   */
  show(status, desk) {
    const words = wordsFor(status, desk);
    if (stateWord.textContent !== words) {
      stateWord.textContent = words;
    }
    this.#showStale(desk);
    if (status !== this.#shown) {
      this.#shown = status;
      state.dataset.state = status.name;
      stateReason.textContent = "reason" in status ? (status.reason?.sentence ?? "") : "";
      this.#showNotice(status);
    }
  }

  /** @param {Desk | null} desk */
  #showStale(desk) {
    const since = desk?.staleSince ?? null;
    stale.hidden = since === null;
    const words = since === null ? "" : `Not live: as of ${exactTime(since / 1000)}`;
    const text = desk && since !== null && desk.board.shipments.size === 0 ? "Nothing loaded yet" : words;
    if (stale.textContent !== text) {
      stale.textContent = text;
    }
  }

  /** @param {Status} status */
  #showNotice(status) {
    clearInterval(this.#countdown);
    const reason = "reason" in status ? status.reason : undefined;
    notice.hidden = reason === undefined;
    notice.dataset.state = status.name;
    if (reason === undefined) {
      return;
    }
    noticeReason.textContent = reason.sentence;
    connectButton.hidden = status.name === "connecting";
    connectButton.textContent = status.name === "waiting" ? "Try now" : "Connect again";
    noticePlan.textContent = reason.code ? `Close code ${reason.code}.` : "";
    if (status.name === "waiting") {
      const { retryAt } = status;
      const tick = () => {
        const seconds = Math.max(1, Math.ceil((retryAt - Date.now()) / 1000));
        noticePlan.textContent = `Trying again in ${seconds} s.`;
      };
      tick();
      this.#countdown = setInterval(tick, COUNTDOWN_TICK_MS);
    }
  }
}

/**
 * @param {Status} status
 * @param {Desk | null} desk
 */
function wordsFor(status, desk) {
  switch (status.name) {
    case "idle":
      return "Not connected";
    case "connecting":
      return status.reason ? "Reconnecting" : "Connecting";
    case "connected":
      return desk?.staleSince === null ? `Live as ${partyWords(desk.me)}` : "Loading all there is";
    case "waiting":
      return "Reconnecting";
    case "closed":
      return "Disconnected";
  }
}
