// @ts-check

const TINTS = 6;

const clock = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit" });
const calendar = new Intl.DateTimeFormat(undefined, { dateStyle: "full", timeStyle: "medium" });
const days = new Intl.DateTimeFormat(undefined, { weekday: "long", day: "numeric", month: "long" });
const longAgo = new Intl.DateTimeFormat(undefined, { dateStyle: "long" });
const letters = new Intl.Segmenter();

/**
 * @template {HTMLElement} Kind
 * @param {string} id
 * @param {new () => Kind} kind
 */
export function part(id, kind) {
  const element = document.getElementById(id);
  if (!(element instanceof kind)) {
    throw new TypeError(`#${id} is missing`);
  }
  return element;
}

/**
 * @template {keyof HTMLElementTagNameMap} Tag
 * @param {Tag} tag
 * @param {string} className
 * @param {string} [text] shown as it is: nothing in it is markup
 */
export function make(tag, className, text) {
  const element = document.createElement(tag);
  element.className = className;
  if (text !== undefined) {
    element.textContent = text;
  }
  return element;
}

/**
 * A name somebody chose: its direction is its own, and no name turns the words around it.
 *
 * @param {string} className
 * @param {string} text
 */
export function nameOf(className, text) {
  const element = make("bdi", className, text);
  element.title = text;
  return element;
}

/** @param {number} at Unix milliseconds */
export function timeOf(at) {
  const moment = new Date(at);
  const element = make("time", "time", clock.format(moment));
  element.dateTime = moment.toISOString();
  element.title = calendar.format(moment);
  return element;
}

/** @param {number} at Unix milliseconds */
export function clockTime(at) {
  return clock.format(at);
}

/**
 * @param {number} at Unix milliseconds
 * @returns {string} the same for two moments of one day, and of no two days
 */
export function dayOf(at) {
  return new Date(at).toDateString();
}

/** @param {number} at Unix milliseconds */
export function dayName(at) {
  const now = new Date();
  const yesterday = new Date(now);
  yesterday.setDate(now.getDate() - 1);
  switch (dayOf(at)) {
    case now.toDateString():
      return "Today";
    case yesterday.toDateString():
      return "Yesterday";
    default:
      return new Date(at).getFullYear() === now.getFullYear() ? days.format(at) : longAgo.format(at);
  }
}

/** @param {string} name */
export function avatar(name) {
  const [first] = letters.segment(name.trim() || "?");
  const element = make("span", "avatar", first.segment.toLocaleUpperCase());
  element.dataset.tint = String(tintOf(name));
  element.ariaHidden = "true";
  return element;
}

/** @param {string} name */
function tintOf(name) {
  let sum = 0;
  for (const character of name) {
    sum = (sum * 31 + (character.codePointAt(0) ?? 0)) % 9973;
  }
  return sum % TINTS;
}

/**
 * A figure for the eye and words for the ear.
 *
 * @param {Element} element
 * @param {string} figure
 * @param {string} words
 */
export function showFigure(element, figure, words) {
  const shown = make("span", "", figure);
  shown.ariaHidden = "true";
  element.replaceChildren(shown, make("span", "visually-hidden", words && ` ${words}`));
}

/**
 * @param {number} count
 * @param {string} one
 * @param {string} [many]
 */
export function counted(count, one, many = `${one}s`) {
  return `${count} ${count === 1 ? one : many}`;
}
