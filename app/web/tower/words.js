// @ts-check
import { nameOf } from "./rules.js";

/** @import { Alert, Shipment } from "./shapes.js" */

const clock = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
const clockAndDay = new Intl.DateTimeFormat(undefined, {
  weekday: "short",
  hour: "2-digit",
  minute: "2-digit",
  hourCycle: "h23",
});
const exact = new Intl.DateTimeFormat(undefined, {
  hour: "2-digit",
  minute: "2-digit",
  second: "2-digit",
  hourCycle: "h23",
});

const ON_TIME_WITHIN = 30;
const MINUTE = 60;
const HOUR = 3_600;
const DAY = 86_400;

/** @type {Record<string, string>} */
const ALERT_NAMES = { late: "Late", off_route: "Off route", temperature: "Temperature", silent: "Silent" };

/** @param {number} at Unix seconds */
export function clockTime(at) {
  return clock.format(at * 1000);
}

/**
 * @param {number} at Unix seconds
 * @param {number} now
 */
export function momentWords(at, now) {
  return (Math.abs(at - now) < DAY / 2 ? clock : clockAndDay).format(at * 1000);
}

/** @param {number} at Unix seconds */
export function exactTime(at) {
  return exact.format(at * 1000);
}

/** @param {number} seconds */
export function durationWords(seconds) {
  const whole = Math.round(Math.abs(seconds));
  if (whole < 2 * MINUTE) {
    return `${whole} s`;
  }
  if (whole < 2 * HOUR) {
    return `${Math.round(whole / MINUTE)} min`;
  }
  return whole < 2 * DAY ? `${(whole / HOUR).toFixed(1)} h` : `${Math.round(whole / DAY)} d`;
}

/** @param {Shipment} shipment */
export function expectedAt({ arriveAt, delaySeconds, arrivedAt, deliveredAt }) {
  return deliveredAt ?? arrivedAt ?? arriveAt + delaySeconds;
}

/**
 * Seconds behind the plan, negative ahead of it. What has not happened by its time is behind by now.
 *
 * @param {Shipment} shipment
 * @param {number} now
 */
export function behind(shipment, now) {
  const expected = expectedAt(shipment) - shipment.arriveAt;
  if (shipment.arrivedAt !== null || shipment.deliveredAt !== null) {
    return expected;
  }
  const waited = shipment.departedAt === null ? now - shipment.departAt : now - shipment.arriveAt;
  return Math.max(expected, waited, 0);
}

/** @param {number} seconds behind the plan */
export function behindWords(seconds) {
  if (Math.abs(seconds) < ON_TIME_WITHIN) {
    return "on time";
  }
  return `${seconds > 0 ? "+" : "−"}${durationWords(seconds)}`;
}

/** @param {Alert} alert */
export function alertName({ kind }) {
  return ALERT_NAMES[kind] ?? kind;
}

/** @param {Alert} alert what was measured, and what was allowed */
export function alertWords({ kind, value, limit }) {
  if (value === null || limit === null) {
    return "";
  }
  switch (kind) {
    case "late":
      return `${durationWords(value)} behind (limit ${durationWords(limit)})`;
    case "off_route":
      return `${(value / 1000).toFixed(1)} km off (limit ${(limit / 1000).toFixed(1)} km)`;
    case "temperature":
      return `${value.toFixed(1)} °C (limit ${limit.toFixed(1)} °C)`;
    case "silent":
      return `no position for ${durationWords(value)} (limit ${durationWords(limit)})`;
    default:
      return `${value} (limit ${limit})`;
  }
}

/**
 * What goes bad cannot be made good; who is only late can wait.
 *
 * @param {Alert} alert
 * @returns {"critical" | "high" | "low"}
 */
export function severityOf({ kind, value, limit }) {
  if (kind === "temperature") {
    return "critical";
  }
  return kind === "late" && (value ?? 0) < 2 * (limit ?? 0) ? "low" : "high";
}

/** @param {Shipment} shipment */
export function wayOf({ origin, destination }) {
  return `${nameOf(origin)} → ${nameOf(destination)}`;
}
