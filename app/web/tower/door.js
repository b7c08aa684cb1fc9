// @ts-check
import { part } from "../chat/elements.js";
import { keep, recall } from "../tab-memory.js";
import { nameOf, PARTY_NAME, roleOf } from "./rules.js";

/** @import { Status } from "../connection.js" */
/** @import { Role } from "./rules.js" */

const PARTY_KEY = "tower.party";
/** @type {Partial<Record<Role, { label: string, example: string }>>} */
const ROLES = {
  tower: { label: "Your desk", example: "main" },
  warehouse: { label: "Your warehouse", example: "Berlin" },
  transporter: { label: "Your company", example: "T1" },
  customer: { label: "Your customer number", example: "C1" },
};

const view = part("door", HTMLElement);
const form = part("door-form", HTMLFormElement);
const label = part("name-label", HTMLElement);
const nameField = part("name", HTMLInputElement);
const button = part("enter", HTMLButtonElement);
const note = part("door-note", HTMLElement);

/** @param {(party: string) => void} enter */
export function openDoor(enter) {
  const party = rememberedParty();
  if (party !== "") {
    roleField().value = roleOf(party);
    nameField.value = nameOf(party);
  }
  form.addEventListener("change", ({ target }) => {
    if (target !== nameField) {
      showRole();
      nameField.value = "";
    }
  });
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const name = nameField.value.trim() || (chosenRole() === "tower" ? "main" : "");
    if (!PARTY_NAME.test(name)) {
      showDoor(name === "" ? "Please say which one." : "A name is letters, digits, dots, _ and -, at most 64 of them.");
      return;
    }
    note.textContent = "";
    keep(PARTY_KEY, `${chosenRole()}:${name}`);
    enter(`${chosenRole()}:${name}`);
  });
  showRole();
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
}

export function hideDoor() {
  view.hidden = true;
}

/** @param {Status} status */
export function showKnocking({ name }) {
  button.disabled = name === "connecting";
  button.textContent = name === "connecting" ? "Opening…" : "Open";
}

function showRole() {
  const { label: words, example } = ROLES[chosenRole()] ?? { label: "Your name", example: "" };
  label.textContent = words;
  nameField.placeholder = example;
}

function chosenRole() {
  return /** @type {Role} */ (roleField().value);
}

function roleField() {
  return /** @type {RadioNodeList} */ (form.elements.namedItem("role"));
}

/** The party of before, where there is one. */
function rememberedParty() {
  const party = recall(PARTY_KEY);
  return roleOf(party) in ROLES ? party : "";
}
