// @ts-check
import { avatar, clockTime, make, nameOf, part } from "./elements.js";
import { KeyedList } from "./keyed-list.js";

/** @import { Conversation } from "./conversation.js" */
/** @import { Talk } from "./talk.js" */

/** @typedef {{ name: string, since: number, isMe: boolean }} Person */

/** Who is in the current room; a person at several tabs is one. */
export class Roster {
  /** @param {(name: string) => void} talkTo */
  constructor(talkTo) {
    this.people = new KeyedList(part("people-list", HTMLUListElement), personDrawing(talkTo));
  }

  /** @param {Talk} talk */
  show({ current, me }) {
    this.people.show(
      membersOf(current, me)
        .map(([name, since]) => ({ name, since, isMe: name === me }))
        .sort((a, b) => Number(b.isMe) - Number(a.isMe) || a.name.localeCompare(b.name)),
    );
  }
}

/**
 * @param {Conversation | null} current
 * @param {string} me
 * @returns {[string, number][]} names, and since when; 0 where nobody knows
 */
function membersOf(current, me) {
  if (current === null) {
    return [];
  }
  return current.isPrivate ? [...new Set([me, current.name])].map((name) => [name, 0]) : [...current.members];
}

/** @param {(name: string) => void} talkTo */
function personDrawing(talkTo) {
  return {
    /** @param {Person} person */
    keyOf: ({ name }) => name,
    /** @param {Person} person */
    stampOf: ({ since, isMe }) => `${since} ${isMe}`,
    /** @param {Person} person */
    create: ({ name, isMe }) => {
      const item = make("li", "person");
      const card = isMe ? make("span", "person-card") : make("button", "person-card");
      if (card instanceof HTMLButtonElement) {
        card.type = "button";
        card.addEventListener("click", () => talkTo(name));
      }
      card.append(avatar(name), nameOf("person-name", name), make("span", "person-detail", isMe ? "you" : ""));
      item.append(card);
      return item;
    },
    /**
     * @param {HTMLElement} item
     * @param {Person} person
     */
    update: (item, { name, since, isMe }) => {
      const card = item.firstElementChild;
      if (card instanceof HTMLElement) {
        const here = since > 0 ? `Here since ${clockTime(since)}.` : "";
        card.title = isMe ? here : `Write to ${name} alone. ${here}`;
      }
    },
  };
}
