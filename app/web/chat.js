// @ts-check
import { anonymousUrl, negotiatedUrl } from "./access.js";
import { Connection, Delivery } from "./connection.js";
import { Timeline } from "./timeline.js";

/** @import { Status } from "./connection.js" */

const NAME_KEY = "chat.name";
const MOST_BYTES = 64 * 1024;
const COUNTDOWN_TICK_MS = 250;

const urlFor = document.body.dataset.access === "anonymous" ? anonymousUrl : negotiatedUrl;
const pageTitle = document.title;
const encoder = new TextEncoder();

/**
 * @template {HTMLElement} Kind
 * @param {string} id
 * @param {new () => Kind} kind
 */
function part(id, kind) {
  const element = document.getElementById(id);
  if (!(element instanceof kind)) {
    throw new TypeError(`#${id} is missing`);
  }
  return element;
}

const joinView = part("join-view", HTMLElement);
const joinForm = part("join-form", HTMLFormElement);
const joinButton = part("join", HTMLButtonElement);
const joinNote = part("join-note", HTMLElement);
const nameField = part("name", HTMLInputElement);
const chatView = part("chat-view", HTMLElement);
const state = part("state", HTMLElement);
const stateWord = part("state-word", HTMLElement);
const stateReason = part("state-reason", HTMLElement);
const leaveButton = part("leave", HTMLButtonElement);
const notice = part("notice", HTMLElement);
const noticeReason = part("notice-reason", HTMLElement);
const noticePlan = part("notice-plan", HTMLElement);
const connectButton = part("connect", HTMLButtonElement);
const log = part("log", HTMLElement);
const composer = part("composer", HTMLFormElement);
const composerNote = part("composer-note", HTMLElement);
const messageField = part("message", HTMLTextAreaElement);

const timeline = new Timeline({
  log,
  list: part("lines", HTMLOListElement),
  empty: part("empty", HTMLElement),
  unread: part("unread", HTMLButtonElement),
});

/** @type {Connection | null} */
let connection = null;
let me = "";
let countdown = 0;
let missed = 0;

function join() {
  const name = nameField.value.trim();
  if (nameField.required && name === "") {
    refuseJoin("Please enter a name first.");
    return;
  }
  remember(name);
  me = name;
  joinNote.textContent = "";
  timeline.clear();
  const joined = new Connection(() => urlFor(name));
  connection = joined;
  joined.addEventListener("status", () => {
    if (joined === connection) {
      showStatus(joined.status);
    }
  });
  joined.addEventListener("message", (event) => {
    if (joined === connection && event instanceof CustomEvent) {
      receive(event.detail);
    }
  });
  joined.open();
}

/** @param {string} why */
function refuseJoin(why) {
  joinNote.className = "note-line";
  joinNote.textContent = why;
  showJoin();
}

function sayGoodbye() {
  joinNote.className = "note-line calm";
  joinNote.textContent = "You left the room.";
  showJoin();
}

/** @param {Status} status */
function showStatus(status) {
  const reason = "reason" in status ? (status.reason?.sentence ?? "") : "";
  state.dataset.state = status.name;
  stateWord.textContent = wordFor(status);
  stateReason.textContent = reason;
  joinButton.disabled = status.name === "connecting";
  joinButton.textContent = status.name === "connecting" ? "Joining…" : "Join";
  showNotice(status);
  if (status.name === "connected") {
    me = status.userId || me;
    composerNote.textContent = "";
    showChat();
  } else if (status.name === "waiting") {
    showChat();
  } else if (status.name === "closed") {
    showClosed(status);
  }
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

/** @param {Extract<Status, { name: "closed" }>} status */
function showClosed(status) {
  if (status.hadConnected && !status.deliberate) {
    return;
  }
  connection = null;
  notice.hidden = true;
  stateReason.textContent = "";
  if (status.reason) {
    refuseJoin(status.reason.sentence);
  } else {
    sayGoodbye();
  }
}

/** @param {Status} status */
function showNotice(status) {
  clearInterval(countdown);
  const reason = "reason" in status ? status.reason : undefined;
  notice.hidden = reason === undefined;
  notice.dataset.state = status.name;
  if (reason === undefined) {
    return;
  }
  noticeReason.textContent = reason.code ? `${reason.sentence} Close code ${reason.code}.` : reason.sentence;
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

function showChat() {
  if (chatView.hidden) {
    joinView.hidden = true;
    chatView.hidden = false;
    leaveButton.hidden = false;
    messageField.focus();
  }
}

function showJoin() {
  chatView.hidden = true;
  leaveButton.hidden = true;
  joinView.hidden = false;
  nameField.focus();
  nameField.select();
}

/** @param {unknown} payload */
function receive(payload) {
  if (show(payload)) {
    countMissed();
  }
}

/**
 * @param {unknown} payload
 * @returns {boolean} whether it was news
 */
function show(payload) {
  if (typeof payload === "string") {
    return timeline.addSystem(payload);
  }
  if (!isRecord(payload) || !("message" in payload)) {
    return false;
  }
  const text = String(payload.message);
  const id = payload.id ? String(payload.id) : undefined;
  if (payload.type === "system") {
    return timeline.addSystem(text, id);
  }
  const author = payload.from ? String(payload.from) : "Somebody";
  return timeline.addMessage(author, text, { own: author === me, id });
}

/**
 * @param {unknown} value
 * @returns {value is Record<string, unknown>}
 */
function isRecord(value) {
  return typeof value === "object" && value !== null;
}

function send() {
  const text = messageField.value.trim();
  if (text === "") {
    return;
  }
  const refusal = whyNot(text);
  composerNote.textContent = refusal;
  if (refusal === "" && connection) {
    messageField.value = "";
    deliver(connection, new Delivery("message", text), timeline.addSending(me, text));
  }
}

/** @param {string} text */
function whyNot(text) {
  const size = encoder.encode(text).length;
  if (size > MOST_BYTES) {
    const kib = Math.ceil(size / 1024);
    return `That is ${kib} KiB, and a message holds 64 KiB. Please split it or make it shorter.`;
  }
  if (connection?.status.name !== "connected") {
    return "You are not connected right now. Your text stays here until you are.";
  }
  return "";
}

/**
 * @param {Connection} through
 * @param {Delivery} delivery
 * @param {import("./timeline.js").Line} line
 */
async function deliver(through, delivery, line) {
  timeline.markSending(line);
  try {
    await through.send(delivery);
    timeline.markSent(line);
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    timeline.markFailed(line, why, () => {
      messageField.focus();
      deliver(through, delivery, line);
    });
  }
}

function countMissed() {
  if (document.hidden) {
    missed += 1;
    document.title = `(${missed}) ${pageTitle}`;
  }
}

/** @param {string} name */
function remember(name) {
  try {
    sessionStorage.setItem(NAME_KEY, name);
  } catch {
    // Storage may be switched off; the name is then asked for again.
  }
}

function remembered() {
  try {
    return sessionStorage.getItem(NAME_KEY) ?? "";
  } catch {
    return "";
  }
}

joinForm.addEventListener("submit", (event) => {
  event.preventDefault();
  join();
});
leaveButton.addEventListener("click", () => connection?.close());
connectButton.addEventListener("click", () => {
  messageField.focus();
  connection?.open();
});
composer.addEventListener("submit", (event) => {
  event.preventDefault();
  send();
  messageField.focus();
});
messageField.addEventListener("keydown", (event) => {
  // While an input method composes, Enter picks a word.
  if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
    event.preventDefault();
    send();
  } else if (event.key === "Escape") {
    log.focus({ preventScroll: true });
  }
});
messageField.addEventListener("input", () => {
  composerNote.textContent = "";
});
document.addEventListener("visibilitychange", () => {
  if (!document.hidden) {
    missed = 0;
    document.title = pageTitle;
  }
});
addEventListener("online", () => {
  if (connection?.status.name === "waiting") {
    connection.open();
  }
});

nameField.value = remembered();
nameField.focus();
