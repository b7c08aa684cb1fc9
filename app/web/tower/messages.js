// @ts-check
import { make, nameOf as named, part } from "../chat/elements.js";
import { KeyedList } from "../chat/keyed-list.js";
import { Errand, messageMistake } from "./forms.js";
import { mayTell, partyWords, PARTY_NAME, roleOf } from "./rules.js";
import { exactTime, momentWords } from "./words.js";

/** @import { Desk } from "./desk.js" */
/** @import { Message } from "./shapes.js" */

const MOST_SHOWN = 100;

const list = part("messages-list", HTMLUListElement);
const empty = part("messages-empty", HTMLElement);
const form = part("write-form", HTMLFormElement);
const toField = part("write-to", HTMLInputElement);
const aboutField = part("write-about", HTMLInputElement);
const textField = part("write-text", HTMLTextAreaElement);
const note = part("write-note", HTMLElement);
const button = part("write-send", HTMLButtonElement);

/** What the parties tell each other, and a form to tell somebody something. */
export class MessageList {
  /** @type {Desk | null} */
  #desk = null;
  #errand = new Errand();
  /** @type {KeyedList<Message>} */
  #list;

  /** @param {{ select: (shipment: string) => void }} deeds */
  constructor({ select }) {
    this.#list = new KeyedList(list, {
      keyOf: ({ id }) => id,
      stampOf: ({ id }) => id,
      create: () => make("li", "message"),
      update: (item, message) => this.#draw(item, message, select),
    });
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#write();
    });
  }

  /** @param {Desk} desk */
  open(desk) {
    this.#desk = desk;
    form.reset();
    toField.value = roleOf(desk.me) === "tower" ? "" : "tower";
    note.textContent = "";
    this.refresh();
  }

  refresh() {
    const messages = [...(this.#desk?.board.messages.values() ?? [])].sort((one, other) => other.at - one.at);
    empty.hidden = messages.length > 0;
    this.#list.show(messages.slice(0, MOST_SHOWN));
  }

  async #write() {
    const mistake = this.#mistake();
    note.textContent = mistake;
    if (mistake !== "" || !this.#desk) {
      return;
    }
    const shipment = aboutField.value.trim();
    const data = {
      to: toField.value.trim(),
      message: textField.value.trim(),
      ...(shipment === "" ? {} : { shipment }),
    };
    button.disabled = true;
    note.textContent = await this.#errand.run(this.#desk, "tell", data);
    button.disabled = false;
    if (note.textContent === "") {
      textField.value = "";
    }
    textField.focus();
  }

  #mistake() {
    const to = toField.value.trim();
    const me = this.#desk?.me ?? "";
    if (to !== "tower" && !PARTY_NAME.test(to.replace(/^[a-z]+:/, ""))) {
      return "To whom? For example: warehouse:Berlin.";
    }
    if (!mayTell(me, to)) {
      return `A ${roleOf(me)} does not write to ${partyWords(to)}.`;
    }
    if ([me, to].some((party) => roleOf(party) === "customer") && aboutField.value.trim() === "") {
      return "With a customer it is always about a shipment: which?";
    }
    return messageMistake(textField.value);
  }

  /**
   * @param {HTMLElement} item
   * @param {Message} message
   * @param {(shipment: string) => void} select
   */
  #draw(item, { from, to, shipment, text, at }, select) {
    const head = make("p", "message-head");
    head.append(named("message-from", partyWords(from)), " to ", named("message-to", partyWords(to)));
    if (shipment !== "") {
      const about = make("button", "link", shipment);
      about.type = "button";
      about.addEventListener("click", () => select(shipment));
      head.append(", about ", about);
    }
    const when = make("time", "message-when", momentWords(at, this.#desk?.board.now ?? at));
    when.dateTime = new Date(at * 1000).toISOString();
    when.title = exactTime(at);
    head.append(when);
    const words = make("p", "message-text", text);
    words.dir = "auto";
    item.replaceChildren(head, words);
  }
}
