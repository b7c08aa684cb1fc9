// @ts-check

/**
 * What goes over the wire: docs/control-tower.md. Times are Unix seconds.
 *
 * @typedef {"created" | "picked" | "loaded" | "departed" | "delayed" | "arrived" | "delivered" | "exception"} State
 *
 * @typedef {object} Shipment
 * @property {string} id
 * @property {number} number of two versions the greater is the newer
 * @property {State} state
 * @property {number} changedAt
 * @property {string} origin
 * @property {string} destination
 * @property {string} customer empty for none, as are the other parties
 * @property {string} transporter
 * @property {string} vehicle
 * @property {string} goods
 * @property {{ min: number, max: number } | null} cold °C
 * @property {number} departAt
 * @property {number} arriveAt
 * @property {number | null} departedAt
 * @property {number | null} arrivedAt
 * @property {number | null} deliveredAt
 * @property {number} delaySeconds
 * @property {string} reason
 *
 * @typedef {object} Alert
 * @property {string} id
 * @property {number} number
 * @property {string} kind
 * @property {string} shipment
 * @property {string} vehicle
 * @property {string} transporter
 * @property {number | null} value
 * @property {number | null} limit
 * @property {number} raisedAt
 * @property {number | null} clearedAt
 * @property {string} acknowledgedBy
 * @property {number | null} acknowledgedAt
 *
 * @typedef {object} Row where a vehicle is
 * @property {string} vehicle its name, without the role
 * @property {number} lat
 * @property {number} lon
 * @property {number | null} speed km/h
 * @property {number | null} heading degrees
 * @property {number | null} temperature °C
 * @property {number} at
 *
 * @typedef {object} Message
 * @property {string} id
 * @property {string} from
 * @property {string} to
 * @property {string} shipment
 * @property {string} text
 * @property {number} at
 *
 * @typedef {object} Charts
 * @property {number} delivered
 * @property {number} late
 * @property {[number, number][]} perMinute
 * @property {[number, number][]} perHour
 * @property {[number | null, number | null, number][]} lateness
 *
 * @typedef {object} Entry of a trail
 * @property {number} number
 * @property {string} event
 * @property {string} by
 * @property {number} at
 * @property {string} reason
 * @property {string} message
 * @property {string} to
 */

/** @type {readonly State[]} */
export const STATES = ["created", "picked", "loaded", "departed", "delayed", "arrived", "delivered", "exception"];

/**
 * @param {unknown} value
 * @returns {Shipment | null}
 */
export function shipmentOf(value) {
  const state = isRecord(value) ? STATES.find((one) => one === value.state) : undefined;
  if (!isRecord(value) || state === undefined || textOf(value.id) === "") {
    return null;
  }
  const { cold } = value;
  const min = isRecord(cold) ? numberOf(cold.min) : null;
  const max = isRecord(cold) ? numberOf(cold.max) : null;
  return {
    id: textOf(value.id),
    number: numberOf(value.number) ?? 0,
    state,
    changedAt: numberOf(value.changedAt) ?? 0,
    origin: textOf(value.origin),
    destination: textOf(value.destination),
    customer: textOf(value.customer),
    transporter: textOf(value.transporter),
    vehicle: textOf(value.vehicle),
    goods: textOf(value.goods),
    cold: min === null || max === null ? null : { min, max },
    departAt: numberOf(value.departAt) ?? 0,
    arriveAt: numberOf(value.arriveAt) ?? 0,
    departedAt: numberOf(value.departedAt),
    arrivedAt: numberOf(value.arrivedAt),
    deliveredAt: numberOf(value.deliveredAt),
    delaySeconds: numberOf(value.delaySeconds) ?? 0,
    reason: textOf(value.reason),
  };
}

/**
 * @param {unknown} value
 * @returns {Alert | null}
 */
export function alertOf(value) {
  if (!isRecord(value) || textOf(value.id) === "") {
    return null;
  }
  return {
    id: textOf(value.id),
    number: numberOf(value.number) ?? 0,
    kind: textOf(value.kind),
    shipment: textOf(value.shipment),
    vehicle: textOf(value.vehicle),
    transporter: textOf(value.transporter),
    value: numberOf(value.value),
    limit: numberOf(value.limit),
    raisedAt: numberOf(value.raisedAt) ?? 0,
    clearedAt: numberOf(value.clearedAt),
    acknowledgedBy: textOf(value.acknowledgedBy),
    acknowledgedAt: numberOf(value.acknowledgedAt),
  };
}

/**
 * @param {Record<string, unknown>} value
 * @returns {Message}
 */
export function messageOf(value) {
  return {
    id: textOf(value.id),
    from: textOf(value.from),
    to: textOf(value.to),
    shipment: textOf(value.shipment),
    text: textOf(value.message),
    at: numberOf(value.at) ?? Date.now() / 1000,
  };
}

/**
 * @param {unknown} value
 * @returns {Entry | null}
 */
export function entryOf(value) {
  return isRecord(value)
    ? {
        number: numberOf(value.number) ?? 0,
        event: textOf(value.event),
        by: textOf(value.by),
        at: numberOf(value.at) ?? 0,
        reason: textOf(value.reason),
        message: textOf(value.message),
        to: textOf(value.to),
      }
    : null;
}

/**
 * @param {unknown} value
 * @returns {Row | null}
 */
export function rowOf(value) {
  const place = placeOf(Array.isArray(value) ? value.slice(1) : value);
  if (!Array.isArray(value) || place === null || typeof value[0] !== "string") {
    return null;
  }
  const [speed, heading, temperature] = value.slice(3, 6).map(numberOf);
  return { vehicle: value[0], lat: place[0], lon: place[1], speed, heading, temperature, at: numberOf(value[6]) ?? 0 };
}

/**
 * @param {unknown} value
 * @returns {[number, number] | null}
 */
export function placeOf(value) {
  const [lat, lon] = Array.isArray(value) ? value.map(numberOf) : [];
  const isPlace = typeof lat === "number" && typeof lon === "number" && Math.abs(lat) <= 90 && Math.abs(lon) <= 180;
  return isPlace ? [lat, lon] : null;
}

/**
 * @param {Record<string, unknown>} value
 * @returns {Charts}
 */
export function chartsOf(value) {
  return {
    delivered: numberOf(value.delivered) ?? 0,
    late: numberOf(value.late) ?? 0,
    perMinute: each(value.perMinute, pairOf),
    perHour: each(value.perHour, pairOf),
    lateness: each(value.lateness, (one) =>
      Array.isArray(one) ? [numberOf(one[0]), numberOf(one[1]), numberOf(one[2]) ?? 0] : null,
    ),
  };
}

/**
 * @param {unknown} value
 * @returns {[number, number] | null}
 */
function pairOf(value) {
  return Array.isArray(value) ? [numberOf(value[0]) ?? 0, numberOf(value[1]) ?? 0] : null;
}

/**
 * @template Item
 * @param {unknown} values
 * @param {(value: unknown) => Item | null} readOne
 * @returns {Item[]} without those that cannot be read
 */
export function each(values, readOne) {
  const items = Array.isArray(values) ? values.map(readOne) : [];
  return items.filter((item) => item !== null);
}

/** @param {unknown} value */
export function textOf(value) {
  return ["string", "number", "boolean"].includes(typeof value) ? String(value) : "";
}

/** @param {unknown} value */
export function numberOf(value) {
  return typeof value === "number" && Number.isFinite(value) ? value : null;
}

/**
 * @param {unknown} value
 * @returns {value is Record<string, unknown>}
 */
export function isRecord(value) {
  return typeof value === "object" && value !== null;
}
