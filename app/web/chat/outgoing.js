// @ts-check
import { Delivery } from "../connection.js";
import { fail, settle } from "./conversation.js";

/** @import { Connection } from "../connection.js" */
/** @import { Conversation, Entry } from "./conversation.js" */

/** Brings own messages to the server. A room takes one with a known key once, so there nothing is said twice. */
export class Outgoing {
  /** @type {Connection | null} through which everything goes */
  connection = null;

  /** @type {WeakMap<Entry, Delivery>} */
  #deliveries = new WeakMap();
  /** @type {Map<Entry, Conversation>} what the connection was lost over: sent again once we are back in its room */
  #interrupted = new Map();
  /** @type {WeakSet<Entry>} what the server has turned away for want of our being in its room */
  #turnedAway = new WeakSet();

  /** @param {() => void} changed called when an entry has other news to show */
  constructor(changed) {
    this.changed = changed;
  }

  get isOpen() {
    return this.connection?.status.name === "connected";
  }

  /**
   * @param {string} event
   * @param {Record<string, unknown>} data
   * @returns {Promise<boolean>} whether it has arrived
   */
  async tell(event, data) {
    try {
      await this.connection?.send(new Delivery(event, data));
      return this.connection !== null;
    } catch {
      return false; // The page shows the state of its connection; there is nothing to add to it.
    }
  }

  /**
   * @param {Conversation} conversation
   * @param {Entry} entry
   */
  async deliver(conversation, entry) {
    const delivery = this.#deliveries.get(entry) ?? deliveryOf(conversation, entry);
    this.#deliveries.set(entry, delivery);
    entry.delivery = "sending";
    this.changed();
    try {
      await this.connection?.send(delivery);
      this.#confirm(entry);
    } catch (error) {
      if (conversation.isPrivate || this.isOpen) {
        fail(entry, error instanceof Error ? error.message : String(error));
      } else {
        this.#interrupted.set(entry, conversation);
      }
    }
    this.changed();
  }

  /** @param {Conversation} room has let us in again */
  resume(room) {
    for (const [entry, conversation] of this.#interrupted) {
      if (conversation === room) {
        this.#interrupted.delete(entry);
        if (entry.delivery === "sending") {
          this.deliver(room, entry);
        }
      }
    }
  }

  /**
   * The server will not have it like this. Sent again, it is another event.
   *
   * @param {Entry} entry
   * @param {string} why
   */
  refuse(entry, why) {
    this.#deliveries.delete(entry);
    fail(entry, why);
  }

  /**
   * The server believes we are not in the room. Entering it again sends the message again, but not for ever.
   *
   * @param {Conversation} room
   * @param {Entry} entry
   * @returns {boolean} whether it is worth it
   */
  holdBack(room, entry) {
    if (this.#turnedAway.has(entry)) {
      return false;
    }
    this.#turnedAway.add(entry);
    this.#deliveries.delete(entry);
    this.#interrupted.set(entry, room);
    return true;
  }

  /** @param {Entry} entry was acknowledged; a refusal among the answers comes before that */
  #confirm(entry) {
    if (entry.delivery === "sending" && !this.#interrupted.has(entry)) {
      settle(entry);
    }
  }
}

/**
 * @param {Conversation} conversation
 * @param {Entry} entry
 */
function deliveryOf({ name, isPrivate }, { text, key }) {
  return isPrivate
    ? new Delivery("private", { to: name, message: text, key })
    : new Delivery("say", { room: name, message: text, key });
}
