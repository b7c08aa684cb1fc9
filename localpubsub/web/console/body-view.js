// @ts-check
import { bodyText } from "./curl.js";
import { copyButton, make } from "./dom.js";
import { headerList } from "./headers.js";
import { jsonView } from "./json-view.js";
import { counted } from "./words.js";

const LONGEST_SHOWN = 100_000;

/**
 * A part of the details that can be folded.
 *
 * @param {string} title
 * @param {...(HTMLElement | null)} parts
 */
export function section(title, ...parts) {
  const element = make("details", "part");
  element.open = true;
  element.append(make("summary", "", title), ...parts.filter((part) => part !== null));
  return element;
}

/**
 * @param {unknown} headers
 * @returns {HTMLElement | null} nothing where there are none
 */
export function headersView(headers) {
  const list = headerList(headers);
  if (list.length === 0) {
    return null;
  }
  const fold = make("details", "headers");
  fold.append(make("summary", "", counted(list.length, "header")));
  const names = make("dl", "facts");
  for (const [name, value] of list) {
    names.append(make("dt", "", name), make("dd", "", value));
  }
  fold.append(names);
  return fold;
}

/**
 * @param {unknown} body
 * @param {string} [type] `json`, `text` or `base64`; JSON is also known by its looks
 * @returns {HTMLElement}
 */
export function bodyView(body, type) {
  const text = bodyText(body);
  if (text === "") {
    return make("p", "hint", "No body");
  }
  const view = make("div", "body");
  const head = make("p", "body-head");
  const value = type === "base64" ? undefined : parsed(text);
  const words = value !== undefined ? "JSON" : type === "base64" ? "Binary, as base64" : "Text";
  head.append(make("span", "", `${words}, ${counted(text.length, "character")}`), copyButton("Copy", () => text));
  view.append(head, value !== undefined ? jsonView(value) : plain(text));
  return view;
}

/** @param {string} text */
export function plain(text) {
  const element = make("pre", "plain", text.slice(0, LONGEST_SHOWN));
  element.dir = "auto";
  element.tabIndex = 0;
  if (text.length > LONGEST_SHOWN) {
    element.append(make("span", "hint", `\n… ${counted(text.length - LONGEST_SHOWN, "more character")}; copy has all.`));
  }
  return element;
}

/**
 * @param {string} text
 * @returns {object | undefined} what is worth a tree
 */
function parsed(text) {
  try {
    const value = JSON.parse(text);
    return typeof value === "object" && value !== null ? value : undefined;
  } catch {
    return undefined;
  }
}
