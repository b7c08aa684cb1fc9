// @ts-check
import { make, part } from "../chat/elements.js";
import { keep, recall } from "../tab-memory.js";
import { hasWords, LANGUAGES, nameOfLanguage, preferredLanguage, wordsIn } from "./words.js";

const NAME_KEY = "languages.name";
const LANGUAGE_KEY = "languages.language";

const view = part("door", HTMLElement);
const form = part("door-form", HTMLFormElement);
const greetings = part("greetings", HTMLElement);
const nameField = part("name", HTMLInputElement);
const note = part("door-note", HTMLElement);
const joinButton = part("join", HTMLButtonElement);

/** Where one says who one is, and what one reads. The greeting chosen is the language of the whole page. */
export class Door {
  #isKnocking = false;

  /**
   * @param {object} deeds
   * @param {(language: string) => void} deeds.choose
   * @param {(name: string) => void} deeds.join
   */
  constructor({ choose, join }) {
    this.language = rememberedLanguage();
    greetings.append(...LANGUAGES.map((language) => greetingOf(language, language === this.language)));
    greetings.addEventListener("change", ({ target }) => {
      if (target instanceof HTMLInputElement) {
        this.language = target.value;
        note.textContent = "";
        choose(this.language);
      }
    });
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      const name = nameField.value.trim();
      if (name === "") {
        this.show(wordsIn(this.language).nameMissing);
      } else if (!this.#isKnocking) {
        keep(NAME_KEY, name);
        keep(LANGUAGE_KEY, this.language);
        note.textContent = "";
        join(name);
      }
    });
    nameField.value = recall(NAME_KEY);
  }

  /**
   * @param {string} [why]
   * @param {{ isCalm?: boolean, language?: string }} [manner] `language` is that of `why`
   */
  show(why = "", { isCalm = false, language = "" } = {}) {
    view.hidden = false;
    note.className = isCalm ? "note-line calm" : "note-line";
    note.lang = language || document.documentElement.lang;
    note.textContent = why;
    nameField.focus();
    nameField.select();
  }

  hide() {
    view.hidden = true;
    note.textContent = "";
  }

  /** @param {boolean} isKnocking */
  showKnocking(isKnocking) {
    this.#isKnocking = isKnocking;
    const words = wordsIn(this.language);
    joinButton.ariaDisabled = String(isKnocking);
    joinButton.textContent = isKnocking ? words.joining : words.join;
  }

  /**
   * Chosen elsewhere, in the room.
   *
   * @param {string} language
   */
  remember(language) {
    keep(LANGUAGE_KEY, language);
    const choice = greetings.querySelector(`input[value="${CSS.escape(language)}"]`);
    if (choice instanceof HTMLInputElement) {
      choice.checked = true;
      this.language = language;
    }
  }
}

/**
 * @param {string} language
 * @param {boolean} isChosen
 */
function greetingOf(language, isChosen) {
  const label = make("label", "greeting");
  const input = make("input", "visually-hidden");
  input.type = "radio";
  input.name = "language";
  input.value = language;
  input.checked = isChosen;
  label.lang = language;
  label.append(
    input,
    make("span", "greeting-hello", wordsIn(language).hello),
    make("span", "greeting-name", nameOfLanguage(language)),
  );
  return label;
}

function rememberedLanguage() {
  const language = recall(LANGUAGE_KEY);
  return hasWords(language) ? language : preferredLanguage();
}
