// @ts-check

/** @import { Conversation, Entry } from "./conversation.js" */
/** @import { SaidLine } from "./wire.js" */

// Messages of different people may overtake each other: what is missing now may be here in a moment.
const PATIENCE_MS = 400;
const AGAIN_AFTER_MS = 3_000;

/** Asks for what is missing in rooms, and for what was said before. One question to a room at a time. */
export class Gaps {
  /** @type {Map<Conversation, { after: number, isEarlier: boolean }>} what a room was asked and has not answered */
  #asked = new Map();
  #timer = 0;

  /**
   * @param {Map<string, Conversation>} rooms
   * @param {(event: string, data: Record<string, unknown>) => Promise<boolean>} tell false where it did not arrive
   */
  constructor(rooms, tell) {
    this.rooms = rooms;
    this.tell = tell;
  }

  /** Nobody will answer what was asked on an earlier connection. */
  forget() {
    this.#asked.clear();
  }

  lookSoon() {
    this.#timer ||= setTimeout(() => {
      this.#timer = 0;
      this.#look();
    }, PATIENCE_MS);
  }

  /** @param {Conversation} room */
  askEarlier(room) {
    const after = room.earlierFrom;
    if (after !== null && !this.#asked.has(room)) {
      this.#ask(room, { after, isEarlier: true });
    }
  }

  /**
   * @param {Conversation} room
   * @param {SaidLine[]} lines
   * @param {string} me
   * @returns {(Entry | null)[]}
   */
  answered(room, lines, me) {
    const asked = this.#asked.get(room);
    this.#asked.delete(room);
    if (asked?.isEarlier) {
      room.addEarlier(lines, me);
      return [];
    }
    const entries = room.addAll(lines, { me, isNews: true });
    if (asked && room.missingAfter() === asked.after) {
      room.giveUp(asked.after);
    }
    return entries;
  }

  /** @param {Conversation} room could not answer this time */
  refused(room) {
    const question = this.#asked.get(room);
    setTimeout(() => {
      if (this.#asked.get(room) === question) {
        this.#asked.delete(room);
        this.#look();
      }
    }, AGAIN_AFTER_MS);
  }

  #look() {
    for (const room of this.rooms.values()) {
      const after = room.missingAfter();
      if (after !== null && room.isIn && !this.#asked.has(room)) {
        this.#ask(room, { after, isEarlier: false });
      }
    }
  }

  /**
   * @param {Conversation} room
   * @param {{ after: number, isEarlier: boolean }} question
   */
  async #ask(room, question) {
    this.#asked.set(room, question);
    const isAsked = await this.tell("since", { room: room.name, number: question.after });
    if (!isAsked && this.#asked.get(room) === question) {
      this.refused(room);
    }
  }
}
