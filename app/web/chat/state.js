// @ts-check
import { part } from "./elements.js";

/** @import { Status } from "../connection.js" */

const COUNTDOWN_TICK_MS = 250;

const state = part("state", HTMLElement);
const word = part("state-word", HTMLElement);
const spoken = part("state-reason", HTMLElement);
const notice = part("notice", HTMLElement);
const noticeReason = part("notice-reason", HTMLElement);
const noticePlan = part("notice-plan", HTMLElement);
const connectButton = part("connect", HTMLButtonElement);

let countdown = 0;

/** @param {() => void} connect */
export function onConnectAgain(connect) {
  connectButton.addEventListener("click", connect);
}

/** @param {Status} status */
export function showState(status) {
  const reason = "reason" in status ? status.reason : undefined;
  state.dataset.state = status.name;
  word.textContent = wordFor(status);
  spoken.textContent = reason?.sentence ?? "";
  clearInterval(countdown);
  notice.hidden = reason === undefined;
  notice.dataset.state = status.name;
  if (reason !== undefined) {
    noticeReason.textContent = reason.code ? `${reason.sentence} Close code ${reason.code}.` : reason.sentence;
    showPlan(status);
  }
}

/** One is at the door, which says what there is to say. */
export function hideNotice() {
  notice.hidden = true;
  spoken.textContent = "";
}

/** @param {Status} status */
function wordFor(status) {
  switch (status.name) {
    case "idle":
      return "Not connected";
    case "connecting":
      return status.reason ? "Reconnecting" : "Connecting";
    case "connected":
      return status.userId ? `Connected as ${status.userId}` : "Connected";
    case "waiting":
      return "Reconnecting";
    case "closed":
      return status.deliberate ? "Not connected" : "Closed";
  }
}

/** @param {Status} status */
function showPlan(status) {
  connectButton.hidden = status.name === "connecting";
  connectButton.textContent = status.name === "waiting" ? "Try now" : "Connect again";
  noticePlan.textContent = status.name === "connecting" ? "Reconnecting…" : "";
  if (status.name === "waiting") {
    const { retryAt } = status;
    const tick = () => {
      const seconds = Math.max(1, Math.ceil((retryAt - Date.now()) / 1000));
      noticePlan.textContent = `Reconnecting in ${seconds} s`;
    };
    tick();
    countdown = setInterval(tick, COUNTDOWN_TICK_MS);
  }
}
