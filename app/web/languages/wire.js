// @ts-check

export const LONGEST_MESSAGE = 4_000;
export const LINES_AT_ONCE = 50;

// The last second that a `Date` can hold.
const LATEST_SECOND = 8.64e12;

/**
 * @typedef {object} Line what somebody said, for a reader of one language
 * @property {number} number counts in the room from 1
 * @property {number} at Unix milliseconds
 * @property {string} from
 * @property {string} text
 * @property {string} language of the text, empty where nobody knows it
 * @property {string} original
 * @property {string} originalLanguage empty where nobody knows it
 * @property {boolean} isTranslated
 * @property {string} note why it is not, or not all of it
 * @property {string} key the sender's own, empty for none
 */

/**
 * @typedef {{ type: "message", line: Line }
 *   | { type: "room", language: string, languages: Map<string, string>, members: Map<string, Set<string>>,
 *       number: number, lines: Line[] }
 *   | { type: "lines", since: number, language: string, number: number, lines: Line[] }
 *   | { type: "said", number: number, key: string }
 *   | { type: "presence", user: string, language: string, isIn: boolean }
 *   | { type: "error", event: string, code: string, message: string, key: string }} Said what the server says
 */

/**
 * Reads what a message frame holds. Anybody with the service's key may send, so nothing about its shape is certain.
 *
 * @param {unknown} payload
 * @returns {Said | null} `null` for what this page has no use for
 */
export function read(payload) {
  if (!isRecord(payload)) {
    return null;
  }
  const language = textOf(payload.language);
  const number = numberOf(payload.number);
  const key = textOf(payload.key);
  switch (payload.type) {
    case "message":
      return number > 0 ? { type: "message", line: lineOf(payload) } : null;
    case "room":
      return {
        type: "room",
        language,
        languages: new Map(Object.entries(isRecord(payload.languages) ? payload.languages : {}).map(namedLanguage)),
        members: new Map(recordsOf(payload.members).map(languagesOfMember)),
        number,
        lines: linesOf(payload.lines),
      };
    case "lines":
      return { type: "lines", since: numberOf(payload.since), language, number, lines: linesOf(payload.lines) };
    case "said":
      return { type: "said", number, key };
    case "presence":
      return { type: "presence", user: textOf(payload.user), language, isIn: payload.in === true };
    case "error":
      return {
        type: "error",
        event: textOf(payload.event),
        code: textOf(payload.code),
        message: textOf(payload.message),
        key,
      };
    default:
      return null;
  }
}

/** @param {Record<string, unknown>} payload */
function lineOf(payload) {
  const at = numberOf(payload.at);
  /** @type {Line} */
  return {
    number: numberOf(payload.number),
    at: at > 0 && at < LATEST_SECOND ? at * 1000 : Date.now(),
    from: textOf(payload.from),
    text: textOf(payload.text),
    language: textOf(payload.language),
    original: textOf(payload.original ?? payload.text),
    originalLanguage: textOf(payload.originalLanguage),
    isTranslated: payload.isTranslated === true,
    note: textOf(payload.note),
    key: textOf(payload.key),
  };
}

/** @param {unknown} lines */
function linesOf(lines) {
  return recordsOf(lines)
    .map(lineOf)
    .filter(({ number }) => number > 0);
}

/**
 * @param {[string, unknown]} entry
 * @returns {[string, string]}
 */
function namedLanguage([code, name]) {
  return [code, textOf(name) || code];
}

/**
 * @param {Record<string, unknown>} member
 * @returns {[string, Set<string>]}
 */
function languagesOfMember({ user, languages }) {
  return [textOf(user), new Set(Array.isArray(languages) ? languages.map(textOf) : [])];
}

/**
 * @param {unknown} values
 * @returns {Record<string, unknown>[]}
 */
function recordsOf(values) {
  return Array.isArray(values) ? values.filter(isRecord) : [];
}

/** @param {unknown} value */
function textOf(value) {
  return typeof value === "string" ? value : "";
}

/** @param {unknown} value */
function numberOf(value) {
  return typeof value === "number" && Number.isFinite(value) ? value : 0;
}

/**
 * @param {unknown} value
 * @returns {value is Record<string, unknown>}
 */
function isRecord(value) {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
