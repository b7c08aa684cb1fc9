// @ts-check

export const LOBBY = "lobby";
export const LONGEST_MESSAGE = 4_000;
export const LONGEST_ROOM_NAME = 64;

const ROOM_NAME = /^[\p{L}\p{N}][\p{L}\p{N}_-]{0,63}$/u;
// The last one that a `Date` can hold.
const LATEST_SECOND = 8.64e12;

/**
 * @typedef {object} SaidLine what somebody said
 * @property {string} id empty for what has none
 * @property {number | null} number counts in its room from 1
 * @property {number} at Unix milliseconds
 * @property {string} from
 * @property {string} text
 * @property {string} key the sender's own, empty for none
 */

/**
 * @typedef {{ type: "message", room: string, line: SaidLine }
 *   | { type: "private", to: string, line: SaidLine }
 *   | { type: "room", room: string, number: number, members: Map<string, number>, lines: SaidLine[] }
 *   | { type: "lines", room: string, number: number, lines: SaidLine[] }
 *   | { type: "rooms", rooms: Map<string, number> }
 *   | { type: "rooms-changed", room: string, members: number }
 *   | { type: "presence", room: string, user: string, isIn: boolean }
 *   | { type: "typing", room: string, user: string }
 *   | { type: "error", event: string, code: string, message: string, room: string, key: string }} Said what the server says
 */

/** @param {string} name */
export function isRoomName(name) {
  return ROOM_NAME.test(name);
}

/**
 * Reads what a message frame holds. Anybody with the service's key may send, so nothing about its shape is certain.
 *
 * @param {unknown} payload
 * @returns {Said | null} `null` for what a chat has no use for
 */
export function read(payload) {
  if (typeof payload === "string") {
    return { type: "message", room: LOBBY, line: lineOf({ message: payload }) };
  }
  if (!isRecord(payload)) {
    return null;
  }
  const room = textOf(payload.room);
  const number = numberOf(payload.number) ?? 0;
  switch (payload.type) {
    case "private":
      return { type: "private", to: textOf(payload.to), line: { ...lineOf(payload), number: null } };
    case "room":
      return { type: "room", room, number, members: membersOf(payload.members), lines: linesOf(payload.lines) };
    case "lines":
      return { type: "lines", room, number, lines: linesOf(payload.lines) };
    case "rooms":
      return { type: "rooms", rooms: roomsOf(payload.rooms) };
    case "presence":
      return { type: "presence", room, user: textOf(payload.user), isIn: payload.in === true };
    case "typing":
      return { type: "typing", room, user: textOf(payload.user) };
    case "error":
      return {
        type: "error",
        event: textOf(payload.event),
        code: textOf(payload.code),
        message: textOf(payload.message),
        room,
        key: textOf(payload.key),
      };
    case "rooms-changed":
      return { type: "rooms-changed", room, members: numberOf(payload.members) ?? 0 };
    case "system": // The same news as `presence`, for clients that know no other.
      return null;
    default:
      return "message" in payload ? { type: "message", room: room || LOBBY, line: lineOf(payload) } : null;
  }
}

/** @param {Record<string, unknown>} payload */
function lineOf(payload) {
  const at = numberOf(payload.at);
  const isDate = at !== null && Math.abs(at) < LATEST_SECOND;
  /** @type {SaidLine} */
  return {
    id: textOf(payload.id),
    number: Number.isSafeInteger(payload.number) && Number(payload.number) > 0 ? Number(payload.number) : null,
    at: isDate ? at * 1000 : Date.now(),
    from: textOf(payload.from) || "Somebody",
    text: textOf(payload.message),
    key: textOf(payload.key),
  };
}

/** @param {unknown} lines */
function linesOf(lines) {
  return recordsOf(lines).map(lineOf);
}

/** @param {unknown} members */
function membersOf(members) {
  return new Map(recordsOf(members).map(({ user, since }) => [textOf(user), (numberOf(since) ?? 0) * 1000]));
}

/** @param {unknown} rooms */
function roomsOf(rooms) {
  return new Map(recordsOf(rooms).map(({ room, members }) => [textOf(room), numberOf(members) ?? 0]));
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
  return ["string", "number", "boolean"].includes(typeof value) ? String(value) : "";
}

/** @param {unknown} value */
function numberOf(value) {
  return typeof value === "number" && Number.isFinite(value) ? value : null;
}

/**
 * @param {unknown} value
 * @returns {value is Record<string, unknown>}
 */
function isRecord(value) {
  return typeof value === "object" && value !== null;
}
