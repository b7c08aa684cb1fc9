// @ts-check

const clock = new Intl.DateTimeFormat(undefined, {
  hour: "2-digit",
  minute: "2-digit",
  second: "2-digit",
  fractionalSecondDigits: 3,
  hourCycle: "h23",
});
const calendar = new Intl.DateTimeFormat(undefined, { dateStyle: "medium" });
const numbers = new Intl.NumberFormat();

/** @param {number} at */
export const timeOfDay = (at) => clock.format(at);

/** @param {number} at */
export const day = (at) => calendar.format(at);

/** @param {number} value */
export const count = (value) => numbers.format(value);

/**
 * @param {number} value
 * @param {string} one
 * @param {string} [many]
 */
export const counted = (value, one, many = `${one}s`) => `${count(value)} ${value === 1 ? one : many}`;

/** @param {number} ms */
export function duration(ms) {
  if (ms < 10) {
    return `${Number(ms.toFixed(1))} ms`;
  }
  return ms < 1_000 ? `${Math.round(ms)} ms` : `${(ms / 1_000).toFixed(1)} s`;
}

/**
 * How long something has been there.
 *
 * @param {number} ms
 */
export function age(ms) {
  const seconds = Math.max(0, Math.floor(ms / 1_000));
  if (seconds < 60) {
    return `${seconds} s`;
  }
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) {
    return `${minutes} min`;
  }
  const hours = Math.floor(minutes / 60);
  return hours < 48 ? `${hours} h ${minutes % 60} min` : `${Math.floor(hours / 24)} days`;
}

/**
 * The words between commas, without blanks and empty ones.
 *
 * @param {string} text
 */
export const listed = (text) =>
  text
    .split(/[,\n]/)
    .map((word) => word.trim())
    .filter(Boolean);

/**
 * @param {string} id
 * @param {number} [length]
 */
export const shortened = (id, length = 12) => (id.length > length + 1 ? `${id.slice(0, length)}…` : id);
