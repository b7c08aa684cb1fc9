// @ts-check

const BYTES = 2;

/**
 * The few pieces of protobuf the test client needs: fields of numbers, texts and messages.
 *
 * @param {number} number
 * @param {string | Uint8Array} value
 */
export function delimited(number, value) {
  const bytes = typeof value === "string" ? new TextEncoder().encode(value) : value;
  return joined(varint(number * 8 + BYTES), varint(bytes.length), bytes);
}

/**
 * @param {number} number
 * @param {number} value
 */
export const uint = (number, value) => joined(varint(number * 8), varint(value));

/** @param {...Uint8Array} parts */
export function joined(...parts) {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let position = 0;
  for (const part of parts) {
    whole.set(part, position);
    position += part.length;
  }
  return whole;
}

/** @param {number} value */
function varint(value) {
  const bytes = [];
  let rest = value;
  while (rest > 0x7f) {
    bytes.push((rest % 0x80) | 0x80);
    rest = Math.floor(rest / 0x80);
  }
  return Uint8Array.of(...bytes, rest);
}

/**
 * The last value of a field, and nothing where there is none or the bytes are no message.
 *
 * @param {Uint8Array} bytes
 * @param {number} wanted
 * @returns {number | Uint8Array | undefined}
 */
export function fieldOf(bytes, wanted) {
  /** @type {number | Uint8Array | undefined} */
  let found;
  let position = 0;
  const number = () => {
    let value = 0;
    for (let shift = 1; ; shift *= 0x80) {
      const byte = bytes[position++];
      value += (byte & 0x7f) * shift;
      if (!(byte & 0x80)) {
        return value;
      }
    }
  };
  while (position < bytes.length) {
    const tag = number();
    const kind = tag % 8;
    if (kind !== 0 && kind !== BYTES) {
      return undefined; // the service sends no other
    }
    let value = /** @type {number | Uint8Array} */ (number());
    if (kind === BYTES) {
      const start = position;
      position += Number(value);
      value = bytes.subarray(start, position);
    }
    found = Math.floor(tag / 8) === wanted ? value : found;
  }
  return found;
}

/** @param {Uint8Array} bytes */
export const toHex = (bytes) => [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join(" ");

/**
 * @param {string} text digits, with any blanks between them
 * @returns {Uint8Array<ArrayBuffer> | null} nothing where it is no hex
 */
export function fromHex(text) {
  const digits = text.replace(/\s+/g, "");
  if (digits.length % 2 || /[^\da-f]/i.test(digits)) {
    return null;
  }
  return Uint8Array.from(digits.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16));
}

/**
 * Eight bytes a line, with their characters beside them.
 *
 * @param {Uint8Array} bytes
 */
export function hexDump(bytes) {
  const lines = [];
  for (let start = 0; start < bytes.length; start += 8) {
    const part = bytes.subarray(start, start + 8);
    const characters = [...part].map((byte) => (byte > 0x1f && byte < 0x7f ? String.fromCharCode(byte) : "."));
    lines.push(`${toHex(part).padEnd(24)} ${characters.join("")}`);
  }
  return lines.join("\n");
}
