// @ts-check
import { keep, recall } from "../tab-memory.js";
import { part } from "./elements.js";

/** @import { Status } from "../connection.js" */

const NAME_KEY = "chat.name";
const ROOMS_KEY = "chat.rooms";
const SIDE_DOOR = "/chat/direct";

const view = part("join-view", HTMLElement);
const form = part("join-form", HTMLFormElement);
const button = part("join", HTMLButtonElement);
const note = part("join-note", HTMLElement);
const nameField = part("name", HTMLInputElement);

/** The front door wants a token and therefore a name; at the side door the server decides about both. */
export const isSideDoor = location.pathname.replace(/\/$/, "") === SIDE_DOOR;

/** @param {(name: string) => void} join */
export function openDoor(join) {
  for (const element of document.querySelectorAll("[data-door]")) {
    if (element instanceof HTMLElement) {
      element.hidden = (element.dataset.door === "side") !== isSideDoor;
    }
  }
  document.title = isSideDoor ? "Common room, side door" : "Common room";
  nameField.required = !isSideDoor;
  nameField.value = recall(NAME_KEY);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const name = nameField.value.trim();
    if (nameField.required && name === "") {
      showDoor("Please enter a name first.");
      return;
    }
    keep(NAME_KEY, name);
    note.textContent = "";
    join(name);
  });
  view.hidden = false;
  nameField.focus();
}

/**
 * @param {string} words why one stands at the door
 * @param {{ isCalm?: boolean }} [mood]
 */
export function showDoor(words, { isCalm = false } = {}) {
  note.className = isCalm ? "note-line calm" : "note-line";
  note.textContent = words;
  view.hidden = false;
  nameField.focus();
  nameField.select();
}

export function hideDoor() {
  view.hidden = true;
}

/** @param {Status} status */
export function showKnocking({ name }) {
  button.disabled = name === "connecting";
  button.textContent = name === "connecting" ? "Joining…" : "Join";
}

/** @param {Iterable<string>} names */
export function rememberRooms(names) {
  keep(ROOMS_KEY, JSON.stringify([...names]));
}

/** @returns {string[]} where this tab was before it was loaded again */
export function rememberedRooms() {
  try {
    const names = JSON.parse(recall(ROOMS_KEY) || "[]");
    return Array.isArray(names) ? names.map(String) : [];
  } catch {
    return [];
  }
}
