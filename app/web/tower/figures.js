// @ts-check
import { part } from "../chat/elements.js";
import { roleOf } from "./rules.js";

/** @import { Desk } from "./desk.js" */

const RATE_OVER_MS = 2_000;

const list = part("figures", HTMLElement);
const figures = {
  moving: part("figure-moving", HTMLElement),
  delayed: part("figure-delayed", HTMLElement),
  exception: part("figure-exception", HTMLElement),
  alerts: part("figure-alerts", HTMLElement),
  vehicles: part("figure-vehicles", HTMLElement),
  rate: part("figure-rate", HTMLElement),
};

/** How it stands, in a few numbers. */
export class Figures {
  #events = 0;
  #since = 0;

  /** @param {Desk} desk */
  show({ board, me }) {
    const states = { departed: 0, delayed: 0, arrived: 0, exception: 0 };
    for (const { state } of board.shipments.values()) {
      if (state in states) {
        states[/** @type {keyof typeof states} */ (state)] += 1;
      }
    }
    const open = [...board.alerts.values()].filter(({ clearedAt }) => clearedAt === null);
    write(figures.moving, states.departed + states.delayed + states.arrived);
    write(figures.delayed, states.delayed);
    write(figures.exception, states.exception);
    write(figures.alerts, open.length);
    write(figures.vehicles, board.vehicles.size);
    this.#showRate(board.positionEvents);
    for (const element of [figures.alerts, figures.rate]) {
      const isTold = roleOf(me) === "tower" || (element === figures.alerts && roleOf(me) === "transporter");
      /** @type {HTMLElement} */ (element.parentElement).hidden = !isTold;
    }
    list.hidden = false;
  }

  hide() {
    list.hidden = true;
    this.#events = 0;
    this.#since = 0;
  }

  /** @param {number} events */
  #showRate(events) {
    const now = performance.now();
    const passed = now - this.#since;
    if (passed >= RATE_OVER_MS) {
      const rate = this.#since === 0 ? 0 : ((events - this.#events) / passed) * 1000;
      figures.rate.textContent = rate < 10 ? rate.toFixed(1) : String(Math.round(rate));
      [this.#events, this.#since] = [events, now];
    }
  }
}

/**
 * @param {HTMLElement} element
 * @param {number} value
 */
function write(element, value) {
  element.textContent = String(value);
  element.dataset.some = String(value > 0);
}
