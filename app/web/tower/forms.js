// @ts-check
import { make } from "../chat/elements.js";
import { Declined } from "./desk.js";
import { LONGEST_MESSAGE, PARTY_NAME } from "./rules.js";

/** @import { Desk } from "./desk.js" */
/** @import { Deed, Field } from "./rules.js" */
/** @import { Shipment } from "./shapes.js" */

const LONGEST_REASON = 500;
const MINUTE = 60;

/** One thing to be done once: what nobody confirmed is sent again under the same id, until it is something else. */
export class Errand {
  #id = "";
  #content = "";

  /**
   * Resolves with the empty text when it is done, or else with a sentence that says why not.
   *
   * @param {Desk} desk
   * @param {string} event
   * @param {Record<string, unknown>} data
   */
  async run(desk, event, data) {
    const content = JSON.stringify([event, data]);
    if (content !== this.#content) {
      this.#content = content;
      this.#id = crypto.randomUUID();
    }
    try {
      await desk.ask(event, data, this.#id);
      this.#content = "";
      return "";
    } catch (error) {
      if (error instanceof Declined) {
        this.#content = "";
        return `The server refused: ${error.message}.`;
      }
      return `Not confirmed: ${error instanceof Error ? error.message : error}. Sending it again does no harm.`;
    }
  }
}

/**
 * A form for one event of a shipment, with what the event wants to know.
 *
 * @param {Desk} desk
 * @param {Shipment} shipment
 * @param {Deed} deed
 * @param {() => void} done
 */
export function deedForm(desk, shipment, deed, done) {
  const form = make("form", "deed-form");
  const fields = deed.fields.map((field) => fieldOf(field, shipment));
  const send = make("button", "primary small", `Report ${deed.word.toLowerCase()}`);
  const cancel = make("button", "quiet", "Cancel");
  cancel.type = "button";
  cancel.addEventListener("click", done);
  const note = noteLine();
  const errand = new Errand();
  const buttons = make("div", "buttons");
  buttons.append(send, cancel);
  form.noValidate = true;
  form.append(...fields.map(({ label }) => label), note, buttons);
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const mistake = fields.map(({ check }) => check()).find((words) => words !== "");
    note.textContent = mistake ?? "";
    if (mistake === undefined) {
      send.disabled = true;
      const data = Object.assign({ shipment: shipment.id }, ...fields.map(({ read }) => read()));
      note.textContent = await errand.run(desk, deed.event, data);
      send.disabled = false;
      if (note.textContent === "") {
        done();
      }
    }
  });
  return form;
}

/** @returns {HTMLElement} where a form says what is wrong */
export function noteLine() {
  const note = make("p", "note-line");
  note.setAttribute("role", "alert");
  return note;
}

/**
 * @param {string} text
 * @returns {string} what is wrong with a message; empty for nothing
 */
export function messageMistake(text) {
  if (text.trim() === "") {
    return "Please write something first.";
  }
  const size = [...text].length;
  return size > LONGEST_MESSAGE ? `A message has at most ${LONGEST_MESSAGE} characters; this has ${size}.` : "";
}

/**
 * @param {string} text
 * @param {HTMLElement} control
 */
export function labelled(text, control) {
  const label = make("label", "labelled");
  label.append(make("span", "", text), control);
  return label;
}

/**
 * @param {Field} field
 * @param {Shipment} shipment
 * @returns {{ label: HTMLElement, check: () => string, read: () => Record<string, unknown> }}
 */
function fieldOf(field, shipment) {
  const input = make("input", "");
  input.name = field;
  switch (field) {
    case "vehicle":
      input.value = shipment.vehicle.slice("vehicle:".length);
      input.setAttribute("list", "known-vehicles");
      input.maxLength = 64;
      return {
        label: labelled("Vehicle", input),
        check: () => (PARTY_NAME.test(input.value.trim()) ? "" : "A vehicle is letters, digits, dots, _ and -."),
        read: () => ({ vehicle: `vehicle:${input.value.trim()}` }),
      };
    case "minutes":
      input.type = "number";
      input.min = "0";
      input.step = "any";
      input.value = String(Math.round(shipment.delaySeconds / MINUTE) || 10);
      return {
        label: labelled("Minutes behind the plan", input),
        check: () => (input.value !== "" && Number(input.value) >= 0 ? "" : "How many minutes?"),
        read: () => ({ seconds: Math.round(Number(input.value) * MINUTE) }),
      };
    default:
      input.maxLength = LONGEST_REASON;
      return {
        label: labelled(field === "remark" ? "Remark (may be left out)" : "Reason", input),
        check: () => (field === "reason" && input.value.trim() === "" ? "Please give a reason." : ""),
        read: () => (input.value.trim() === "" ? {} : { reason: input.value.trim() }),
      };
  }
}
