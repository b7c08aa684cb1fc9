// @ts-check
import { delimited, fieldOf, joined, uint } from "./protobuf.js";

/**
 * What a client can ask of the service, as a frame of its subprotocol.
 *
 * @typedef {"text" | "json" | "binary"} DataType
 * @typedef {{ dataType: DataType, data: string }} Payload binary data is base64
 * @typedef {object} Commands
 * @property {(group: string, ackId: number) => string | Uint8Array<ArrayBuffer>} join
 * @property {(group: string, ackId: number) => string | Uint8Array<ArrayBuffer>} leave
 * @property {(group: string, payload: Payload, ackId: number) => string | Uint8Array<ArrayBuffer>} send
 * @property {(name: string, payload: Payload, ackId: number) => string | Uint8Array<ArrayBuffer>} event
 * @property {() => string | Uint8Array<ArrayBuffer>} ping
 * @property {(sequenceId: number) => string | Uint8Array<ArrayBuffer>} sequenceAck
 *
 * @typedef {object} Subprotocol
 * @property {string} label
 * @property {string} name empty: none is asked for
 * @property {boolean} reliable
 * @property {Commands | null} commands `null` for a raw client: all it has is data
 */

/** @param {Record<string, unknown>} members */
const json = (members) => JSON.stringify(members);

/** @param {Payload} payload */
const jsonPayload = ({ dataType, data }) => ({ dataType, data: dataType === "json" ? JSON.parse(data) : data });

/** @type {Commands} */
const JSON_COMMANDS = {
  join: (group, ackId) => json({ type: "joinGroup", group, ackId }),
  leave: (group, ackId) => json({ type: "leaveGroup", group, ackId }),
  send: (group, payload, ackId) => json({ type: "sendToGroup", group, ...jsonPayload(payload), ackId }),
  event: (event, payload, ackId) => json({ type: "event", event, ...jsonPayload(payload), ackId }),
  ping: () => json({ type: "ping" }),
  sequenceAck: (sequenceId) => json({ type: "sequenceAck", sequenceId }),
};

/** @param {Payload} payload */
function protobufPayload({ dataType, data }) {
  if (dataType === "binary") {
    return delimited(2, Uint8Array.from(atob(data), (character) => character.charCodeAt(0)));
  }
  return delimited(dataType === "json" ? 4 : 1, data);
}

/** @type {Commands} */
const PROTOBUF_COMMANDS = {
  join: (group, ackId) => delimited(6, joined(delimited(1, group), uint(2, ackId))),
  leave: (group, ackId) => delimited(7, joined(delimited(1, group), uint(2, ackId))),
  send: (group, payload, ackId) =>
    delimited(1, joined(delimited(1, group), uint(2, ackId), delimited(3, protobufPayload(payload)))),
  event: (name, payload, ackId) =>
    delimited(5, joined(delimited(1, name), delimited(2, protobufPayload(payload)), uint(3, ackId))),
  ping: () => delimited(9, ""),
  sequenceAck: (sequenceId) => delimited(8, uint(1, sequenceId)),
};

/** @type {readonly Subprotocol[]} */
export const SUBPROTOCOLS = [
  { label: "JSON", name: "json.webpubsub.azure.v1", reliable: false, commands: JSON_COMMANDS },
  { label: "JSON, reliable", name: "json.reliable.webpubsub.azure.v1", reliable: true, commands: JSON_COMMANDS },
  { label: "Protobuf", name: "protobuf.webpubsub.azure.v1", reliable: false, commands: PROTOBUF_COMMANDS },
  {
    label: "Protobuf, reliable",
    name: "protobuf.reliable.webpubsub.azure.v1",
    reliable: true,
    commands: PROTOBUF_COMMANDS,
  },
  { label: "Raw (no subprotocol)", name: "", reliable: false, commands: null },
];

/**
 * What the session has to know of a received frame.
 *
 * @typedef {object} Heard
 * @property {string} [connectionId]
 * @property {string} [reconnectionToken]
 * @property {number} [sequenceId]
 */

/**
 * @param {string | Uint8Array} frame
 * @returns {Heard}
 */
export function hear(frame) {
  if (typeof frame === "string") {
    try {
      const { connectionId, reconnectionToken, sequenceId } = JSON.parse(frame) ?? {};
      return { connectionId, reconnectionToken, sequenceId };
    } catch {
      return {};
    }
  }
  const connected = inside(inside(frame, 3), 1);
  const message = inside(frame, 2) ?? inside(frame, 9) ?? inside(frame, 10);
  const sequenceId = message && fieldOf(message, fieldOf(frame, 2) ? 4 : 3);
  return {
    connectionId: textOf(connected, 1),
    reconnectionToken: textOf(connected, 3),
    sequenceId: typeof sequenceId === "number" ? sequenceId : undefined,
  };
}

/**
 * @param {Uint8Array | undefined} bytes
 * @param {number} number
 */
function inside(bytes, number) {
  const value = bytes && fieldOf(bytes, number);
  return value instanceof Uint8Array ? value : undefined;
}

/**
 * @param {Uint8Array | undefined} bytes
 * @param {number} number
 */
function textOf(bytes, number) {
  const value = inside(bytes, number);
  return value && new TextDecoder().decode(value);
}
