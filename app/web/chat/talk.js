// @ts-check
import { Conversation } from "./conversation.js";
import { Gaps } from "./gaps.js";
import { Outgoing } from "./outgoing.js";
import { Typists } from "./typists.js";
import { read } from "./wire.js";

/** @import { Entry } from "./conversation.js" */
/** @import { Said } from "./wire.js" */
/** @import { Connection } from "../connection.js" */

const ENTER_AGAIN_AFTER_MS = 3_000;

/**
 * Everything one person is part of: their rooms, their private conversations, what they say.
 *
 * Events: `change` (something is to be drawn anew) and `refusal` (detail: why a room stays closed).
 */
export class Talk extends EventTarget {
  me = "";
  /** @type {Map<string, Conversation>} */
  rooms = new Map();
  /** @type {Map<string, Conversation>} by the other person's name */
  privates = new Map();
  /** @type {Map<string, number>} every room there is, and how many people are in it */
  known = new Map();
  /** @type {Conversation | null} */
  current = null;
  typists = new Typists(() => this.#changed());

  #outgoing = new Outgoing(() => this.#changed());
  #gaps = new Gaps(this.rooms, (event, data) => this.#outgoing.tell(event, data));

  /** @param {(conversation: Conversation) => boolean} isRead whether the reader has it before their eyes */
  constructor(isRead) {
    super();
    this.isRead = isRead;
  }

  /**
   * (Re)enters every room; what was said meanwhile comes with the answers.
   *
   * @param {Connection} connection is connected
   * @param {string} me as the service calls us
   */
  connected(connection, me) {
    this.#outgoing.connection = connection;
    this.me = me;
    this.#gaps.forget();
    for (const room of this.rooms.values()) {
      this.#enter(room);
    }
    this.#outgoing.tell("rooms", {});
    this.#changed();
  }

  /** @param {string} name */
  join(name) {
    const known = this.rooms.get(name);
    const room = known ?? new Conversation(name, false);
    if (!known) {
      this.rooms.set(name, room);
      if (this.#outgoing.isOpen) {
        this.#enter(room);
      }
    }
    this.open(room);
  }

  /** @param {Conversation} conversation a room is left; a private conversation is put away */
  leave(conversation) {
    if (!conversation.isPrivate) {
      this.#outgoing.tell("leave", { room: conversation.name });
    }
    this.#drop(conversation);
  }

  /** @param {string} name */
  talkTo(name) {
    this.open(this.#privateWith(name));
  }

  /** @param {Conversation | null} conversation */
  open(conversation) {
    const previous = this.current;
    if (previous && previous !== conversation) {
      previous.unreadFrom = 0;
    }
    this.current = conversation;
    if (conversation) {
      conversation.unread = 0;
    }
    this.#changed();
  }

  /** @param {string} text goes to whom the current conversation is with */
  say(text) {
    const conversation = this.current;
    if (conversation) {
      const key = crypto.getRandomValues(new BigUint64Array(2)).join("-");
      this.typists.reset();
      this.#outgoing.deliver(conversation, conversation.addPending(this.me, text, key));
    }
  }

  /** @param {Entry} entry failed before */
  retry(entry) {
    const conversation = this.#all().find(({ entries }) => entries.includes(entry));
    if (conversation) {
      this.#outgoing.deliver(conversation, entry);
    }
  }

  type() {
    if (this.current && !this.current.isPrivate && this.typists.mayTell()) {
      this.#outgoing.tell("typing", { room: this.current.name });
    }
  }

  showEarlier() {
    if (this.current) {
      this.#gaps.askEarlier(this.current);
    }
  }

  /** @param {unknown} payload */
  receive(payload) {
    const said = read(payload);
    if (said) {
      this.#hear(said);
      this.#changed();
    }
  }

  get unread() {
    return this.#all().reduce((sum, { unread }) => sum + unread, 0);
  }

  /** @param {Said} said */
  #hear(said) {
    switch (said.type) {
      case "private":
        return this.#hearPrivate(said);
      case "rooms":
        this.known = said.rooms;
        return;
      case "rooms-changed":
        return this.#hearOfRoom(said);
      case "error":
        return this.#hearRefusal(said);
      default: {
        const room = this.rooms.get(said.room);
        return room && this.#hearInRoom(room, said);
      }
    }
  }

  /**
   * @param {Conversation} room
   * @param {Extract<Said, { room: string }>} said
   */
  #hearInRoom(room, said) {
    switch (said.type) {
      case "message":
        this.typists.stopped(room.name, said.line.from);
        this.#countNews(room, [room.add(said.line, { me: this.me, isNews: true })]);
        break;
      case "room":
        this.#countNews(room, room.enter(said, this.me));
        this.#outgoing.resume(room);
        break;
      case "lines":
        this.#countNews(room, this.#gaps.answered(room, said.lines, this.me));
        break;
      case "presence":
        this.#hearPresence(room, said);
        break;
      case "typing":
        this.#hearTyping(room, said.user);
        break;
      default:
    }
    this.#gaps.lookSoon();
  }

  /**
   * @param {Conversation} room
   * @param {Extract<Said, { type: "presence" }>} said
   */
  #hearPresence(room, { user, isIn }) {
    const wasIn = room.members.has(user);
    if (isIn) {
      room.members.set(user, room.members.get(user) ?? Date.now());
    } else {
      room.members.delete(user);
      this.typists.stopped(room.name, user);
    }
    if (isIn !== wasIn && user !== this.me) {
      room.note(`${user} ${isIn ? "joined" : "left"}`);
    }
  }

  /**
   * @param {Conversation} room
   * @param {string} user
   */
  #hearTyping(room, user) {
    if (user !== this.me) {
      this.typists.heard(room.name, user);
    }
  }

  /** @param {Extract<Said, { type: "rooms-changed" }>} said */
  #hearOfRoom({ room, members }) {
    if (members > 0) {
      this.known.set(room, members);
    } else {
      this.known.delete(room);
    }
  }

  /** @param {Extract<Said, { type: "private" }>} said */
  #hearPrivate({ to, line }) {
    const conversation = this.#privateWith(line.from === this.me ? to : line.from);
    this.#countNews(conversation, [conversation.add(line, { me: this.me, isNews: true })]);
  }

  /** @param {Extract<Said, { type: "error" }>} said */
  #hearRefusal({ event, code, message, room: name, key }) {
    const conversation = this.#all().find((one) => one.pendingOf(key));
    const entry = conversation?.pendingOf(key);
    const room = this.rooms.get(name);
    if (conversation && entry) {
      if (code === "not-in-room" && this.#outgoing.holdBack(conversation, entry)) {
        this.#enter(conversation);
      } else {
        this.#outgoing.refuse(entry, message);
      }
    } else if (room && event === "since") {
      this.#gaps.refused(room);
    } else if (room && event === "enter" && code === "unavailable") {
      this.#enterLater(room);
    } else if (room && event === "enter") {
      this.#drop(room);
      this.dispatchEvent(new CustomEvent("refusal", { detail: message }));
    }
  }

  /**
   * @param {Conversation} conversation
   * @param {(Entry | null)[]} entries
   */
  #countNews(conversation, entries) {
    for (const entry of entries) {
      if (entry?.isNews && !this.isRead(conversation)) {
        conversation.unreadFrom = conversation.unread === 0 ? entry.serial : conversation.unreadFrom;
        conversation.unread += 1;
      }
    }
  }

  /** @param {Conversation} room */
  async #enter(room) {
    const since = room.knock();
    const request = since === null ? { room: room.name } : { room: room.name, since };
    if (!(await this.#outgoing.tell("enter", request))) {
      this.#enterLater(room);
    }
  }

  /** @param {Conversation} room */
  #enterLater(room) {
    setTimeout(() => {
      if (this.#outgoing.isOpen && this.rooms.get(room.name) === room && !room.isIn) {
        this.#enter(room);
      }
    }, ENTER_AGAIN_AFTER_MS);
  }

  /** @param {Conversation} conversation */
  #drop(conversation) {
    const kind = conversation.isPrivate ? this.privates : this.rooms;
    kind.delete(conversation.name);
    if (this.current === conversation) {
      this.open(this.#all()[0] ?? null);
    }
    this.#changed();
  }

  /** @param {string} name */
  #privateWith(name) {
    const known = this.privates.get(name);
    const conversation = known ?? new Conversation(name, true);
    this.privates.set(name, conversation);
    return conversation;
  }

  #all() {
    return [...this.rooms.values(), ...this.privates.values()];
  }

  #changed() {
    this.dispatchEvent(new Event("change"));
  }
}
