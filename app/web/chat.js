// @ts-check
import { anonymousUrl, negotiatedUrl } from "./access.js";
import { Composer } from "./chat/composer.js";
import { hideDoor, isSideDoor, openDoor, rememberRooms, rememberedRooms, showDoor, showKnocking } from "./chat/door.js";
import { Drawer } from "./chat/drawer.js";
import { counted, part } from "./chat/elements.js";
import { RoomList, showRoomRefusal, showUnread } from "./chat/rooms.js";
import { Roster } from "./chat/roster.js";
import { hideNotice, onConnectAgain, showState } from "./chat/state.js";
import { Talk } from "./chat/talk.js";
import { Timeline } from "./chat/timeline.js";
import { isRoomName, LOBBY } from "./chat/wire.js";
import { Connection } from "./connection.js";

/** @import { Status } from "./connection.js" */
/** @import { Conversation } from "./chat/conversation.js" */

const HUB = "Sample_ChatApp";

const urlFor = isSideDoor ? anonymousUrl : negotiatedUrl;
const view = part("chat-view", HTMLElement);
const bar = part("bar", HTMLElement);
const talkView = part("talk", HTMLElement);
const title = part("talk-name", HTMLElement);
const detail = part("talk-detail", HTMLElement);
const emptyTitle = part("empty-title", HTMLElement);
const emptyText = part("empty-text", HTMLElement);
const typing = part("typing", HTMLElement);
const leaveButton = part("leave", HTMLButtonElement);
const roomsButton = part("rooms-button", HTMLButtonElement);
const roomsBadge = part("rooms-badge", HTMLElement);
const peopleButton = part("people-button", HTMLButtonElement);
const roomsPanel = part("rooms-panel", HTMLElement);
const peoplePanel = part("people", HTMLElement);
const backdrop = part("backdrop", HTMLElement);

/** @type {Connection | null} */
let connection = null;
let talk = new Talk(isRead);
let isDrawingPlanned = false;
let plainTitle = "";

const timeline = new Timeline(
  {
    log: part("log", HTMLElement),
    list: part("lines", HTMLOListElement),
    empty: part("empty", HTMLElement),
    unread: part("unread", HTMLButtonElement),
    earlier: part("earlier", HTMLButtonElement),
  },
  { retry: (entry) => talk.retry(entry), talkTo, showEarlier: () => talk.showEarlier() },
);
const composer = new Composer({
  say: (text) => {
    talk.say(text);
    timeline.follow();
  },
  type: () => talk.type(),
  isConnected: () => connection?.status.name === "connected",
});
const roomList = new RoomList({ open: show, leave: (conversation) => talk.leave(conversation), join });
const roster = new Roster(talkTo);
const drawers = [
  new Drawer({ panel: roomsPanel, button: roomsButton, backdrop, rest: [bar, talkView, peoplePanel] }),
  new Drawer({ panel: peoplePanel, button: peopleButton, backdrop, rest: [bar, talkView, roomsPanel] }),
];

/** @param {string} name */
function comeIn(name) {
  const comingIn = new Connection(() => urlFor(name, HUB));
  connection = comingIn;
  talk = new Talk(isRead);
  talk.addEventListener("change", () => drawSoon());
  talk.addEventListener("refusal", (event) => {
    showRoomRefusal(event instanceof CustomEvent ? event.detail : "");
  });
  talk.me = name;
  joinFirstRooms();
  comingIn.addEventListener("status", () => {
    if (comingIn === connection) {
      showStatus(comingIn, comingIn.status);
    }
  });
  comingIn.addEventListener("message", (event) => {
    if (comingIn === connection && event instanceof CustomEvent) {
      talk.receive(event.detail);
    }
  });
  comingIn.open();
}

// Where this tab was before, and where the address leads.
function joinFirstRooms() {
  const names = rememberedRooms().filter(isRoomName);
  for (const name of names.length > 0 ? names : [LOBBY]) {
    talk.join(name);
  }
  talk.join(addressedRoom() ?? names[0] ?? LOBBY);
}

function addressedRoom() {
  try {
    const name = decodeURIComponent(location.hash.slice(1));
    return isRoomName(name) ? name : null;
  } catch {
    return null;
  }
}

/**
 * @param {Connection} through
 * @param {Status} status
 */
function showStatus(through, status) {
  showKnocking(status);
  showState(status);
  if (status.name === "connected") {
    talk.connected(through, status.userId || talk.me);
    composer.clearNote();
    showChat();
  } else if (status.name === "waiting") {
    showChat();
  } else if (status.name === "closed" && (status.deliberate || !status.hadConnected)) {
    goOut(status.reason?.sentence ?? "");
  }
}

function showChat() {
  if (view.hidden) {
    hideDoor();
    view.hidden = false;
    leaveButton.hidden = false;
    drawSoon();
    composer.focus();
  }
}

/** @param {string} refusal empty for who leaves of their own accord */
function goOut(refusal) {
  connection = null;
  view.hidden = true;
  leaveButton.hidden = true;
  hideNotice();
  showTitle();
  showDoor(refusal || "You left the room.", { isCalm: refusal === "" });
}

/** @param {Conversation} conversation */
function isRead(conversation) {
  return conversation === talk.current && !document.hidden;
}

/** @param {string} name */
function join(name) {
  showRoomRefusal("");
  talk.join(name);
  settleDown();
}

/** @param {string} name */
function talkTo(name) {
  talk.talkTo(name);
  settleDown();
}

/** @param {Conversation} conversation */
function show(conversation) {
  talk.open(conversation);
  settleDown();
}

// After the choice of a conversation one wants to write in it.
function settleDown() {
  for (const drawer of drawers) {
    drawer.close();
  }
  draw();
  composer.focus();
}

// Once a frame, however much comes in: a burst of messages is one picture.
function drawSoon() {
  showTitle();
  if (!isDrawingPlanned) {
    isDrawingPlanned = true;
    requestAnimationFrame(draw);
  }
}

function draw() {
  isDrawingPlanned = false;
  const { current } = talk;
  roomList.show(talk);
  roster.show(talk);
  composer.show(current);
  timeline.show(current);
  describe(current);
  showTyping(current);
  showUnread(roomsBadge, talk.unread);
  rememberRooms(talk.rooms.keys());
  if (current && !current.isPrivate) {
    history.replaceState(null, "", `#${encodeURIComponent(current.name)}`);
  }
}

/** @param {Conversation | null} current */
function describe(current) {
  const isPrivate = current?.isPrivate ?? false;
  const people = counted(current?.members.size ?? 0, "person here", "people here");
  title.textContent = current?.name ?? "No room";
  detail.textContent = isPrivate ? "only the two of you" : current?.isIn ? people : "";
  peopleButton.hidden = current === null || isPrivate;
  peopleButton.textContent = people;
  if (current === null) {
    emptyTitle.textContent = "You are in no room";
    emptyText.textContent = "Choose one from the list, or name one of your own.";
  } else if (isPrivate) {
    emptyTitle.textContent = `Between you and ${current.name}`;
    emptyText.textContent = "Nobody else can read it, and it is gone when you close the page.";
  } else {
    emptyTitle.textContent = "Nobody has said anything yet";
    emptyText.textContent = "What you write, everybody in this room can read, and who comes later can read it, too.";
  }
}

/** @param {Conversation | null} current */
function showTyping(current) {
  const names = current && !current.isPrivate ? talk.typists.of(current.name) : [];
  const [first, second] = names;
  const words = [
    "",
    `${first} is writing…`,
    `${first} and ${second} are writing…`,
    `${names.length} people are writing…`,
  ][Math.min(names.length, 3)];
  if (typing.textContent !== words) {
    typing.textContent = words;
  }
}

function showTitle() {
  const unread = connection ? talk.unread : 0;
  document.title = unread === 0 ? plainTitle : `(${unread}) ${plainTitle}`;
}

leaveButton.addEventListener("click", () => connection?.close());
onConnectAgain(() => {
  composer.focus();
  connection?.open();
});
document.addEventListener("visibilitychange", () => {
  if (!document.hidden) {
    talk.open(talk.current);
  }
});
addEventListener("hashchange", () => {
  const name = addressedRoom();
  if (connection && name !== null) {
    join(name);
  }
});
addEventListener("online", () => {
  if (connection?.status.name === "waiting") {
    connection.open();
  }
});

openDoor(comeIn);
plainTitle = document.title;
