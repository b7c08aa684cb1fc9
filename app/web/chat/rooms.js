// @ts-check
import { counted, make, nameOf, part, showFigure } from "./elements.js";
import { KeyedList } from "./keyed-list.js";
import { isRoomName } from "./wire.js";

/** @import { Conversation } from "./conversation.js" */
/** @import { Talk } from "./talk.js" */

const form = part("room-form", HTMLFormElement);
const field = part("room-name", HTMLInputElement);
const note = part("room-note", HTMLElement);
const privateHeading = part("privates-heading", HTMLElement);
const otherHeading = part("others-heading", HTMLElement);

/**
 * @typedef {object} Deeds
 * @property {(conversation: Conversation) => void} open
 * @property {(conversation: Conversation) => void} leave
 * @property {(name: string) => void} join
 */

/** The list of where one is, of whom one talks to, and of what else there is. */
export class RoomList {
  /** @param {Deeds} deeds */
  constructor(deeds) {
    this.rooms = new KeyedList(part("rooms", HTMLUListElement), conversationDrawing(deeds));
    this.privates = new KeyedList(part("privates", HTMLUListElement), conversationDrawing(deeds));
    this.others = new KeyedList(part("others", HTMLUListElement), otherDrawing(deeds));
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      const name = field.value.trim();
      showRoomRefusal(name === "" || isRoomName(name) ? "" : whyNot(name));
      if (isRoomName(name)) {
        field.value = "";
        deeds.join(name);
      }
    });
    field.addEventListener("input", () => showRoomRefusal(""));
  }

  /** @param {Talk} talk */
  show({ rooms, privates, known, current }) {
    const place = (/** @type {Conversation} */ conversation) => ({
      conversation,
      isCurrent: conversation === current,
      members: known.get(conversation.name) ?? conversation.members.size,
    });
    this.rooms.show([...rooms.values()].map(place));
    this.privates.show([...privates.values()].map(place));
    const others = [...known].filter(([name]) => !rooms.has(name)).sort(([a], [b]) => a.localeCompare(b));
    this.others.show(others.map(([name, members]) => ({ name, members })));
    privateHeading.hidden = privates.size === 0;
    otherHeading.hidden = others.length === 0;
  }
}

/** @param {string} words empty takes it away */
export function showRoomRefusal(words) {
  note.textContent = words;
  field.ariaInvalid = String(words !== "");
}

/**
 * @param {Element} badge
 * @param {number} unread
 */
export function showUnread(badge, unread) {
  if (unread === 0) {
    badge.replaceChildren();
  } else {
    showFigure(badge, unread > 99 ? "99+" : String(unread), `${unread} unread`);
  }
}

/** @param {string} name */
function whyNot(name) {
  if ([...name].length > 64) {
    return "That is too long: a room's name has at most 64 letters.";
  }
  return "A room's name has letters, digits, - and _, and begins with a letter or digit.";
}

/** @typedef {{ conversation: Conversation, isCurrent: boolean, members: number }} Place */

/** @param {Deeds} deeds */
function conversationDrawing({ open, leave }) {
  return {
    /** @param {Place} place */
    keyOf: ({ conversation }) => conversation,
    /** @param {Place} place */
    stampOf: ({ conversation, isCurrent, members }) =>
      `${isCurrent} ${members} ${conversation.unread} ${conversation.isIn}`,
    /** @param {Place} place */
    create: ({ conversation }) => {
      const { name, isPrivate } = conversation;
      const item = make("li", "place");
      const enter = make("button", "place-open");
      enter.type = "button";
      enter.append(make("span", "place-sign", isPrivate ? "@" : "#"), nameOf("place-name", name), make("span", "place-count"));
      enter.append(make("span", "badge"));
      enter.addEventListener("click", () => open(conversation));
      const drop = make("button", "place-leave", "×");
      drop.type = "button";
      drop.ariaLabel = isPrivate ? `Put away the conversation with ${name}` : `Leave ${name}`;
      drop.title = drop.ariaLabel;
      drop.addEventListener("click", () => leave(conversation));
      item.append(enter, drop);
      return item;
    },
    update: updatePlace,
  };
}

/**
 * @param {HTMLElement} item
 * @param {Place} place
 */
function updatePlace(item, { conversation, isCurrent, members }) {
  const [enter] = item.getElementsByTagName("button");
  const [, , count, badge] = enter.children;
  enter.ariaCurrent = isCurrent ? "true" : null;
  if (!conversation.isPrivate) {
    showFigure(count, String(members), counted(members, "person", "people"));
  }
  showUnread(badge, conversation.unread);
}

/** @typedef {{ name: string, members: number }} OtherRoom */

/** @param {Deeds} deeds */
function otherDrawing({ join }) {
  return {
    /** @param {OtherRoom} room */
    keyOf: ({ name }) => name,
    /** @param {OtherRoom} room */
    stampOf: ({ members }) => String(members),
    /** @param {OtherRoom} room */
    create: ({ name }) => {
      const item = make("li", "place");
      const enter = make("button", "place-open");
      enter.type = "button";
      enter.title = `Join ${name}`;
      enter.append(make("span", "place-sign", "#"), nameOf("place-name", name), make("span", "place-count"));
      enter.addEventListener("click", () => join(name));
      item.append(enter);
      return item;
    },
    /**
     * @param {HTMLElement} item
     * @param {OtherRoom} room
     */
    update: (item, { members }) => {
      const count = item.querySelector(".place-count");
      if (count) {
        showFigure(count, String(members), counted(members, "person", "people"));
      }
    },
  };
}
