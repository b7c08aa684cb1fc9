// @ts-check
import { button, make } from "./dom.js";
import { count, counted } from "./words.js";

const OPEN_TO_DEPTH = 2;
const MEMBERS_AT_ONCE = 100;

/**
 * JSON to be read and folded. What is folded is not on the page yet, so a large document costs little.
 *
 * @param {unknown} value
 */
export function jsonView(value) {
  const view = make("div", "json");
  view.append(node("", value, 0));
  return view;
}

/**
 * @param {string} name empty for the whole and for what is in a list
 * @param {unknown} value
 * @param {number} depth
 * @returns {HTMLElement}
 */
function node(name, value, depth) {
  if (typeof value !== "object" || value === null || Object.keys(value).length === 0) {
    const line = make("div", "json-line");
    line.append(...nameOf(name), leaf(value));
    return line;
  }
  const isList = Array.isArray(value);
  const members = Object.entries(value);
  const fold = make("details", "json-fold");
  const head = make("summary");
  const size = isList ? counted(members.length, "item") : counted(members.length, "member");
  head.append(...nameOf(name), make("span", "json-mark", isList ? "[ ]" : "{ }"), make("span", "json-size", size));
  fold.append(head);
  let isFilled = false;
  const fill = () => {
    if (!isFilled) {
      isFilled = true;
      const inside = make("div", "json-inside");
      fold.append(inside);
      append(inside, members, isList, depth + 1);
    }
  };
  fold.addEventListener("toggle", () => fold.open && fill());
  if (depth < OPEN_TO_DEPTH) {
    fill();
    fold.open = true;
  }
  return fold;
}

/**
 * @param {HTMLElement} inside
 * @param {[string, unknown][]} members
 * @param {boolean} isList
 * @param {number} depth
 */
function append(inside, members, isList, depth) {
  const rest = members.slice(MEMBERS_AT_ONCE);
  for (const [name, value] of members.slice(0, MEMBERS_AT_ONCE)) {
    inside.append(node(isList ? "" : name, value, depth));
  }
  if (rest.length > 0) {
    const more = button(`${count(rest.length)} more`, () => {
      more.remove();
      append(inside, rest, isList, depth);
    }, "link");
    inside.append(more);
  }
}

/** @param {string} name */
function nameOf(name) {
  return name === "" ? [] : [make("span", "json-name", name), make("span", "json-mark", ": ")];
}

/** @param {unknown} value */
function leaf(value) {
  const kind = value === null ? "null" : typeof value;
  const element = make("span", "json-leaf", JSON.stringify(value));
  element.dataset.kind = kind;
  element.dir = "auto";
  return element;
}
