// @ts-check
import { part } from "./elements.js";
import { LONGEST_MESSAGE } from "./wire.js";

/** @import { Conversation } from "./conversation.js" */

const form = part("composer", HTMLFormElement);
const note = part("composer-note", HTMLElement);
const field = part("message", HTMLTextAreaElement);
const log = part("log", HTMLElement);

/** Where one writes. What is not sent yet stays with its conversation. */
export class Composer {
  /** @type {Conversation | null} */
  #conversation = null;

  /**
   * @param {object} deeds
   * @param {(text: string) => void} deeds.say
   * @param {() => void} deeds.type called while something is being written
   * @param {() => boolean} deeds.isConnected
   */
  constructor(deeds) {
    this.deeds = deeds;
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#send();
      field.focus();
    });
    field.addEventListener("keydown", (event) => this.#press(event));
    field.addEventListener("input", () => {
      note.textContent = "";
      if (field.value.trim() !== "" && deeds.isConnected()) {
        deeds.type();
      }
    });
  }

  /** @param {Conversation | null} conversation */
  show(conversation) {
    if (conversation === this.#conversation) {
      return;
    }
    // Somebody may write before the first conversation is drawn.
    const early = this.#conversation === null ? field.value : "";
    if (this.#conversation) {
      this.#conversation.draft = field.value;
    }
    this.#conversation = conversation;
    field.value = conversation?.draft || (conversation ? early : "");
    field.placeholder = conversation?.isPrivate ? `Write to ${conversation.name} alone` : "Write a message";
    form.hidden = conversation === null;
    note.textContent = "";
  }

  focus() {
    field.focus();
  }

  /** The connection is back, so what was said about it is over. */
  clearNote() {
    note.textContent = "";
  }

  #send() {
    const text = field.value.trim();
    if (text === "") {
      return;
    }
    const refusal = this.#whyNot(text);
    note.textContent = refusal;
    if (refusal === "") {
      field.value = "";
      this.deeds.say(text);
    }
  }

  /** @param {string} text */
  #whyNot(text) {
    const length = [...text].length;
    if (length > LONGEST_MESSAGE) {
      const most = LONGEST_MESSAGE.toLocaleString();
      return `That is ${length.toLocaleString()} letters, and a message holds ${most}. Please split it or make it shorter.`;
    }
    if (!this.deeds.isConnected()) {
      return "You are not connected right now. Your text stays here until you are.";
    }
    return "";
  }

  /** @param {KeyboardEvent} event */
  #press(event) {
    // While an input method composes, Enter picks a word.
    if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
      event.preventDefault();
      this.#send();
    } else if (event.key === "Escape") {
      log.focus({ preventScroll: true });
    }
  }
}
