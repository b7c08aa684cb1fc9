// @ts-check
import { make, part } from "../chat/elements.js";
import { Door } from "./door.js";
import { LinesView } from "./lines-view.js";
import { PeopleView } from "./people-view.js";
import { Room } from "./room.js";
import { fill, hasWords, LANGUAGES, nameOfLanguage, wordsIn } from "./words.js";
import { LONGEST_MESSAGE } from "./wire.js";

/** @import { Status } from "../connection.js" */
/** @import { Words } from "./words.js" */

const COUNTDOWN_TICK_MS = 250;

const state = part("state", HTMLElement);
const stateWord = part("state-word", HTMLElement);
const stateReason = part("state-reason", HTMLElement);
const leaveButton = part("leave", HTMLButtonElement);
const view = part("room", HTMLElement);
const notice = part("notice", HTMLElement);
const noticeReason = part("notice-reason", HTMLElement);
const noticePlan = part("notice-plan", HTMLElement);
const connectButton = part("connect", HTMLButtonElement);
const languageField = part("language", HTMLSelectElement);
const originalsButton = part("originals", HTMLButtonElement);
const log = part("log", HTMLElement);
const earlierButton = part("earlier", HTMLButtonElement);
const emptyGreetings = part("empty-greetings", HTMLElement);
const composer = part("composer", HTMLFormElement);
const composerNote = part("composer-note", HTMLElement);
const messageField = part("message", HTMLTextAreaElement);
const plainTitle = document.title;

/** @type {Room | null} */
let room = null;
let countdown = 0;
let missed = 0;
let isDrawingPlanned = false;

const lines = new LinesView(
  {
    log,
    list: part("lines", HTMLOListElement),
    empty: part("empty", HTMLElement),
    unread: part("unread", HTMLButtonElement),
    earlier: earlierButton,
  },
  { retry: (outgoing) => room?.deliver(outgoing), tryAgain: (line) => room?.tryAgain(line) },
);
const people = new PeopleView(part("people", HTMLElement));
const door = new Door({ choose: speak, join: comeIn });

/** @param {string} name */
function comeIn(name) {
  const entered = new Room(name, door.language);
  room = entered;
  for (const [event, react] of Object.entries({ status: showStatus, change: drawSoon, news: countMissed, refused })) {
    entered.addEventListener(event, (happened) => {
      if (entered === room && happened instanceof CustomEvent) {
        react(happened.detail);
      }
    });
  }
  entered.connection.open();
}

/** @param {string} why the server's own words */
function refused(why) {
  room?.leave();
  goOut(why);
}

/** @param {string} [why] empty for who leaves of their own accord; else the server's or the connection's own words */
function goOut(why = "") {
  room = null;
  view.hidden = true;
  leaveButton.hidden = true;
  notice.hidden = true;
  clearInterval(countdown);
  showState({ name: "idle" });
  door.showKnocking(false);
  if (why) {
    door.show(why, { language: "en" });
  } else {
    door.show(wordsIn(door.language).youLeft, { isCalm: true });
  }
}

/** @param {Status} status */
function showStatus(status) {
  showState(status);
  door.showKnocking(status.name === "connecting");
  if (status.name === "closed" && (status.deliberate || !status.hadConnected)) {
    goOut(status.reason?.sentence);
    return;
  }
  showNotice(status);
  if (status.name === "connected" || status.name === "waiting") {
    showRoom();
  }
}

function showRoom() {
  if (view.hidden) {
    door.hide();
    view.hidden = false;
    leaveButton.hidden = false;
    lines.follow();
    drawSoon();
    messageField.focus();
  }
}

/** @param {Status} status */
function showState(status) {
  state.dataset.state = status.name;
  stateWord.textContent = wordFor(status);
  stateReason.textContent = "reason" in status ? (status.reason?.sentence ?? "") : "";
}

/** @param {Status} status */
function wordFor(status) {
  const words = currentWords();
  switch (status.name) {
    case "idle":
      return words.notConnected;
    case "connecting":
      return status.reason ? words.reconnecting : words.connecting;
    case "connected":
      return fill(words.connectedAs, { name: room?.me ?? status.userId });
    case "waiting":
      return words.reconnecting;
    case "closed":
      return words.closed;
  }
}

/** @param {Status} status */
function showNotice(status) {
  clearInterval(countdown);
  const words = currentWords();
  const reason = "reason" in status ? status.reason : undefined;
  notice.hidden = reason === undefined;
  notice.dataset.state = status.name;
  if (reason === undefined) {
    return;
  }
  noticeReason.textContent = reason.sentence;
  connectButton.hidden = status.name === "connecting";
  connectButton.textContent = status.name === "waiting" ? words.tryNow : words.connectAgain;
  noticePlan.textContent = reason.code ? fill(words.closeCode, { code: reason.code }) : "";
  if (status.name === "waiting") {
    const { retryAt } = status;
    const tick = () => {
      const seconds = Math.max(1, Math.ceil((retryAt - Date.now()) / 1000));
      noticePlan.textContent = fill(words.retryIn, { seconds });
    };
    tick();
    countdown = setInterval(tick, COUNTDOWN_TICK_MS);
  }
}

// A burst of lines is drawn once a frame; a page nobody sees has no frames.
function drawSoon() {
  if (!isDrawingPlanned) {
    isDrawingPlanned = true;
    const draw = () => {
      isDrawingPlanned = false;
      drawRoom();
    };
    if (document.hidden) {
      setTimeout(draw, COUNTDOWN_TICK_MS);
    } else {
      requestAnimationFrame(draw);
    }
  }
}

function drawRoom() {
  if (room && !view.hidden) {
    lines.show(room.transcript, room.me);
    people.show(room.members, room.languages, { me: room.me, you: currentWords().you });
    offerLanguages(room);
  }
}

/** @param {Room} there */
function offerLanguages({ languages, transcript }) {
  const offered = languages.size > 0 ? languages : new Map(LANGUAGES.map((one) => [one, nameOfLanguage(one)]));
  const names = [...offered.values()].join();
  if (languageField.dataset.names !== names) {
    languageField.dataset.names = names;
    languageField.replaceChildren(...[...offered].map(([code, name]) => optionOf(code, name)));
  }
  languageField.value = transcript.language;
}

/**
 * @param {string} code
 * @param {string} name
 */
function optionOf(code, name) {
  const option = make("option", "", name);
  option.value = code;
  option.lang = code;
  return option;
}

function currentLanguage() {
  return room?.transcript.language ?? door.language;
}

function currentWords() {
  return wordsIn(currentLanguage());
}

/**
 * The whole page in a language, as far as it has words in it.
 *
 * @param {string} language
 */
function speak(language) {
  const words = wordsIn(language);
  document.documentElement.lang = hasWords(language) ? language : "en";
  for (const element of document.querySelectorAll("[data-word], [data-label]")) {
    if (element instanceof HTMLElement) {
      const { word, label } = element.dataset;
      if (word) {
        element.textContent = words[/** @type {keyof Words} */ (word)];
      } else if (label) {
        element.ariaLabel = words[/** @type {keyof Words} */ (label)];
      }
    }
  }
  messageField.placeholder = words.placeholder;
  const status = room?.connection.status ?? { name: "idle" };
  door.showKnocking(status.name === "connecting");
  showState(status);
  showNotice(status);
}

function send() {
  const text = messageField.value.trim();
  if (text === "" || room === null) {
    return;
  }
  const refusal = whyNot(text);
  composerNote.textContent = refusal;
  if (refusal === "") {
    messageField.value = "";
    lines.follow();
    room.say(text);
  }
}

/** @param {string} text */
function whyNot(text) {
  const words = currentWords();
  const size = [...text].length;
  if (size > LONGEST_MESSAGE) {
    return fill(words.tooLong, { size, most: LONGEST_MESSAGE });
  }
  return room?.isConnected ? "" : words.notConnectedNow;
}

function countMissed() {
  if (document.hidden) {
    missed += 1;
    document.title = `(${missed}) ${plainTitle}`;
  }
}

languageField.addEventListener("change", () => {
  room?.read(languageField.value);
  door.remember(languageField.value);
  speak(languageField.value);
});
originalsButton.addEventListener("click", () => {
  lines.areAllOpen = !lines.areAllOpen;
  originalsButton.ariaPressed = String(lines.areAllOpen);
});
earlierButton.addEventListener("click", () => room?.showEarlier());
leaveButton.addEventListener("click", () => room?.leave());
connectButton.addEventListener("click", () => {
  messageField.focus();
  room?.connection.open();
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
    document.title = plainTitle;
  }
});
addEventListener("online", () => {
  if (room?.connection.status.name === "waiting") {
    room.connection.open();
  }
});

emptyGreetings.append(
  ...LANGUAGES.map((language) => {
    const greeting = make("span", "", wordsIn(language).hello);
    greeting.lang = language;
    return greeting;
  }),
);
speak(door.language);
door.show();
