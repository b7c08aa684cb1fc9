// @ts-check
import { counted, make, part } from "../chat/elements.js";
import { KeyedList } from "../chat/keyed-list.js";
import { Errand } from "./forms.js";
import { glyph, kindOf } from "./glyphs.js";
import { nextStep, roleOf } from "./rules.js";
import { expectedAt, momentWords, wayOf } from "./words.js";

/** @import { Desk } from "./desk.js" */
/** @import { Deed } from "./rules.js" */
/** @import { Shipment } from "./shapes.js" */
/** @typedef {{ shipment: Shipment, deed: Deed }} Step */

const MOST_SHOWN = 60;

const list = part("steps-list", HTMLUListElement);
const count = part("steps-count", HTMLElement);
const empty = part("steps-empty", HTMLElement);
const note = part("steps-note", HTMLElement);

/** What waits for this party, soonest first. */
export class StepList {
  /** @type {Desk | null} */
  #desk = null;
  /** @type {Map<string, Errand>} */
  #errands = new Map();
  /** @type {Set<string>} */
  #running = new Set();
  /** @type {KeyedList<Step>} */
  #list;

  /** @param {{ select: (shipment: string) => void }} deeds */
  constructor({ select }) {
    this.#list = new KeyedList(list, {
      keyOf: ({ shipment }) => shipment.id,
      stampOf: ({ shipment, deed }) => `${shipment.number} ${deed.event} ${this.#running.has(shipment.id)}`,
      create: () => make("li", "step"),
      update: (item, step) => this.#draw(item, step, select),
    });
  }

  /** @param {Desk} desk */
  open(desk) {
    this.#desk = desk;
    this.#errands.clear();
    this.#running.clear();
    note.textContent = "";
    this.refresh();
  }

  refresh() {
    const desk = this.#desk;
    if (!desk || roleOf(desk.me) === "tower") {
      return;
    }
    /** @type {Step[]} */
    const steps = [];
    for (const shipment of desk.board.shipments.values()) {
      const deed = nextStep(shipment, desk.me);
      if (deed) {
        steps.push({ shipment, deed });
      }
    }
    steps.sort((one, other) => dueAt(one.shipment) - dueAt(other.shipment));
    count.textContent = steps.length === 0 ? "" : counted(steps.length, "shipment");
    empty.hidden = steps.length > 0;
    this.#list.show(steps.slice(0, MOST_SHOWN));
  }

  /**
   * @param {HTMLElement} item
   * @param {Step} step
   * @param {(shipment: string) => void} select
   */
  #draw(item, { shipment, deed }, select) {
    const name = make("button", "link", shipment.id);
    name.type = "button";
    name.addEventListener("click", () => select(shipment.id));
    const about = make("p", "step-about", `${wayOf(shipment)}, ${dueWords(shipment, this.#desk?.board.now ?? 0)}`);
    const button = make("button", "step-do", deed.fields.length > 0 ? `${deed.word}…` : deed.word);
    button.type = "button";
    button.setAttribute("aria-label", `${button.textContent} ${shipment.id}`);
    button.disabled = this.#running.has(shipment.id);
    button.addEventListener("click", () => {
      if (deed.fields.length > 0) {
        select(shipment.id);
      } else {
        this.#do(shipment.id, deed);
      }
    });
    const head = make("p", "step-head");
    head.append(glyph(kindOf(shipment.state)), name);
    item.replaceChildren(head, about, button);
  }

  /**
   * @param {string} id
   * @param {Deed} deed
   */
  async #do(id, deed) {
    const desk = this.#desk;
    if (!desk) {
      return;
    }
    const errand = this.#errands.get(id) ?? new Errand();
    this.#errands.set(id, errand);
    this.#running.add(id);
    this.refresh();
    const problem = await errand.run(desk, deed.event, { shipment: id });
    note.textContent = problem && `${id}: ${problem}`;
    this.#running.delete(id);
    this.refresh();
  }
}

/** @param {Shipment} shipment when it should be done with what it waits for */
function dueAt(shipment) {
  return shipment.departedAt === null ? shipment.departAt : expectedAt(shipment);
}

/**
 * @param {Shipment} shipment
 * @param {number} now
 */
function dueWords(shipment, now) {
  const verb = shipment.departedAt === null ? "to leave" : "expected";
  return `${verb} ${momentWords(dueAt(shipment), now)}`;
}
