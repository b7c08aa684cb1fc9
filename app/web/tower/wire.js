// @ts-check
import {
  alertOf,
  chartsOf,
  each,
  entryOf,
  isRecord,
  messageOf,
  numberOf,
  placeOf,
  rowOf,
  shipmentOf,
  textOf,
} from "./shapes.js";

/** @import { Alert, Charts, Entry, Message, Row, Shipment } from "./shapes.js" */

/**
 * @typedef {{ type: "shipment", shipment: Shipment }
 *   | { type: "positions", at: number, events: number, rows: Row[] }
 *   | { type: "message", message: Message }
 *   | { type: "alert", alert: Alert }
 *   | { type: "charts", charts: Charts }} News what comes unasked
 *
 * @typedef {object} Page of a snapshot
 * @property {"snapshot"} type
 * @property {string} id
 * @property {number} at
 * @property {string} next empty on the last one
 * @property {Shipment[]} shipments
 * @property {Row[]} rows
 * @property {Alert[]} alerts
 * @property {Message[]} messages
 * @property {Charts | null} charts
 *
 * @typedef {object} Detail
 * @property {"detail"} type
 * @property {string} id
 * @property {Shipment} shipment
 * @property {[number, number][]} route latitude, longitude
 * @property {Entry[]} trail
 * @property {[number, number][]} track
 *
 * @typedef {Page | Detail | { type: "accepted", id: string } | { type: "error", id: string, message: string }} Answer
 */

/**
 * Anybody with the service's key may send, so nothing about the shape of a message is certain.
 *
 * @param {unknown} payload
 * @returns {News | Answer | null} `null` for what this page has no use for
 */
export function read(payload) {
  if (!isRecord(payload)) {
    return null;
  }
  const id = textOf(payload.id);
  switch (payload.type) {
    case "shipment": {
      const shipment = shipmentOf(payload.shipment);
      return shipment && { type: "shipment", shipment };
    }
    case "alert": {
      const alert = alertOf(payload.alert);
      return alert && { type: "alert", alert };
    }
    case "message":
      return { type: "message", message: messageOf(payload) };
    case "positions":
      return {
        type: "positions",
        at: numberOf(payload.at) ?? 0,
        events: numberOf(payload.events) ?? 0,
        rows: each(payload.rows, rowOf),
      };
    case "charts":
      return { type: "charts", charts: chartsOf(payload) };
    case "accepted":
      return { type: "accepted", id };
    case "error":
      return { type: "error", id, message: textOf(payload.message) || "the server refused it" };
    case "snapshot":
      return pageOf(id, payload);
    case "detail":
      return detailOf(id, payload);
    default:
      return null;
  }
}

/**
 * @param {string} id
 * @param {Record<string, unknown>} payload
 * @returns {Page}
 */
function pageOf(id, payload) {
  return {
    type: "snapshot",
    id,
    at: numberOf(payload.at) ?? 0,
    next: textOf(payload.next),
    shipments: each(payload.shipments, shipmentOf),
    rows: each(payload.positions, rowOf),
    alerts: each(payload.alerts, alertOf),
    messages: each(payload.messages, (one) => (isRecord(one) ? messageOf(one) : null)),
    charts: isRecord(payload.charts) ? chartsOf(payload.charts) : null,
  };
}

/**
 * @param {string} id
 * @param {Record<string, unknown>} payload
 * @returns {Detail | null}
 */
function detailOf(id, payload) {
  const shipment = shipmentOf(payload.shipment);
  return (
    shipment && {
      type: "detail",
      id,
      shipment,
      route: each(payload.route, placeOf),
      trail: each(payload.trail, entryOf),
      track: each(payload.track, placeOf),
    }
  );
}
