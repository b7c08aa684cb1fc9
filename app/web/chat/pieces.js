// @ts-check
import { dayOf } from "./elements.js";

/** @import { Conversation, Entry } from "./conversation.js" */

const SAME_BREATH_MS = 5 * 60_000;

/**
 * @typedef {{ kind: "day", key: string, at: number }
 *   | { kind: "gap", key: string, count: number, isLost: boolean }
 *   | { kind: "mark", key: string }
 *   | { kind: "entry", key: number, entry: Entry, continues: boolean }} Piece what a timeline shows below each other
 */

/**
 * @param {Conversation} conversation
 * @returns {Piece[]}
 */
export function piecesOf(conversation) {
  /** @type {Piece[]} */
  const pieces = [];
  /** @type {Entry | null} */
  let previous = null;
  let number = 0;
  for (const entry of conversation.entries) {
    const isGap = entry.number !== null && number > 0 && entry.number > number + 1;
    const isMark = entry.serial === conversation.unreadFrom;
    const isNewDay = previous === null ? isPast(entry.at) : dayOf(previous.at) !== dayOf(entry.at);
    if (isGap && entry.number !== null) {
      const isLost = conversation.isLost(number);
      pieces.push({ kind: "gap", key: `gap ${number}`, count: entry.number - number - 1, isLost });
    }
    if (isNewDay) {
      pieces.push({ kind: "day", key: `day ${entry.serial}`, at: entry.at });
    }
    if (isMark) {
      pieces.push({ kind: "mark", key: "mark" });
    }
    const isApart = isGap || isNewDay || isMark;
    pieces.push({ kind: "entry", key: entry.serial, entry, continues: !isApart && continues(previous, entry) });
    previous = entry;
    number = Math.max(number, entry.number ?? 0);
  }
  return pieces;
}

/** @param {number} at */
function isPast(at) {
  return dayOf(at) !== dayOf(Date.now());
}

/**
 * @param {Entry | null} previous
 * @param {Entry} entry
 */
function continues(previous, entry) {
  return (
    previous?.kind === "message" &&
    entry.kind === "message" &&
    previous.from === entry.from &&
    entry.at - previous.at < SAME_BREATH_MS
  );
}
