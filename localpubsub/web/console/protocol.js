// @ts-check

/**
 * What the service tells this page. Everything in it may come from strangers: it is shown as text, never as markup.
 *
 * @typedef {"open" | "frame" | "event" | "call" | "delivery" | "close"} Kind
 *
 * @typedef {string | number} RecordId
 *
 * @typedef {object} TrafficRecord
 * @property {RecordId} id
 * @property {RecordId | null} cause the id of the record this one follows from
 * @property {boolean} exact false where the cause is a guess
 * @property {number} at in milliseconds
 * @property {Kind} kind
 * @property {string} hub
 * @property {string | null} connectionId
 * @property {string | null} userId
 * @property {string} summary
 * @property {number | null} status
 * @property {number | null} tookMs
 * @property {Record<string, any>} detail
 *
 * @typedef {object} ConnectionState
 * @property {string} id
 * @property {string | null} userId
 * @property {string | null} subprotocol
 * @property {string[]} groups
 * @property {Record<string, unknown>} permissions
 * @property {number} since in milliseconds
 *
 * @typedef {{ name: string, members: number }} GroupState
 * @typedef {{ url: string, system: string[], user: string }} Handler
 *
 * @typedef {object} HubState
 * @property {string} name
 * @property {ConnectionState[]} connections
 * @property {GroupState[]} groups
 * @property {Handler[]} handlers
 * @property {number} [leftOut] connections that are there and not told
 *
 * @typedef {{ type: "snapshot", endpoint: string, hubs: HubState[] }} Snapshot
 * @typedef {{ type: "rates", at: number } & Record<Series, number>} Rates
 * @typedef {"frames" | "events" | "calls" | "deliveries"} Series
 *
 * @typedef {{ kind: "all" | "group" | "user" | "connection", name: string }} Target
 */

/** @type {readonly Kind[]} */
export const KINDS = ["open", "frame", "event", "call", "delivery", "close"];

/** @type {Readonly<Record<Kind, string>>} */
export const KIND_WORDS = {
  open: "Open",
  frame: "Frame",
  event: "Event",
  call: "Call",
  delivery: "Delivery",
  close: "Close",
};

/** @type {readonly Series[]} */
export const SERIES = ["frames", "events", "calls", "deliveries"];
