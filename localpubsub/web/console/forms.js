// @ts-check
import { sentenceOf } from "./api.js";
import { setText } from "./dom.js";

/**
 * Sends a form by `act`, whose word is shown beside it. What it throws is shown as what went wrong.
 *
 * @param {HTMLFormElement} form with a `.note-line`
 * @param {(values: Values) => Promise<string> | string} act
 */
export function onSubmit(form, act) {
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const submit = event.submitter instanceof HTMLButtonElement ? event.submitter : null;
    tell(form, "");
    if (submit) {
      submit.disabled = true;
    }
    try {
      tell(form, await act(new Values(form)));
    } catch (error) {
      tell(form, sentenceOf(error), true);
    } finally {
      if (submit) {
        const hadFocus = document.activeElement === document.body;
        submit.disabled = false;
        if (hadFocus) {
          submit.focus();
        }
      }
    }
  });
}

/**
 * @param {HTMLElement} form
 * @param {string} sentence
 * @param {boolean} [isProblem]
 */
export function tell(form, sentence, isProblem = false) {
  const note = form.querySelector(".note-line");
  if (note) {
    note.classList.toggle("calm", !isProblem);
    setText(note, sentence);
  }
}

/** What a form holds. */
export class Values {
  /** @param {HTMLFormElement} form */
  constructor(form) {
    this.data = new FormData(form);
  }

  /** @param {string} name */
  text(name) {
    return String(this.data.get(name) ?? "").trim();
  }

  /** @param {string} name */
  raw(name) {
    return String(this.data.get(name) ?? "");
  }

  /** @param {string} name */
  all(name) {
    return this.data.getAll(name).map(String);
  }

  /**
   * @param {string} name
   * @param {string} what for the sentence
   */
  needed(name, what) {
    const value = this.text(name);
    if (!value) {
      throw new Error(`Please enter ${what}.`);
    }
    return value;
  }
}

/**
 * @param {string} dataType
 * @param {string} data
 */
export function checkData(dataType, data) {
  if (dataType === "json") {
    try {
      JSON.parse(data);
    } catch (error) {
      throw new Error(`This is not JSON: ${sentenceOf(error)}.`);
    }
  } else if (dataType === "binary") {
    try {
      atob(data);
    } catch {
      throw new Error("Binary data is written as base64, and this is none.");
    }
  }
}
