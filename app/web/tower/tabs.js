// @ts-check
import { part } from "../chat/elements.js";

/** @import { Role } from "./rules.js" */
/** @typedef {"map" | "shipments" | "alerts" | "messages" | "charts" | "steps"} Page */

/** @type {Record<Role, readonly Page[]>} */
const PAGES = {
  tower: ["map", "shipments", "alerts", "messages", "charts"],
  warehouse: ["map", "shipments", "steps", "messages"],
  transporter: ["map", "shipments", "steps", "alerts", "messages"],
  vehicle: ["map", "shipments", "steps", "messages"],
  customer: ["map", "shipments", "messages"],
};

const bar = part("tabs", HTMLElement);
const isNarrow = matchMedia("(max-width: 64rem)");

/**
 * Which panels are seen. On narrow screens one of all, on wide ones one of those that share a place: the style sheet
 * goes by `data-page` and `data-side`.
 */
export class Tabs {
  /** @param {HTMLElement} floor */
  constructor(floor) {
    this.floor = floor;
    bar.addEventListener("click", ({ target }) => {
      const page = target instanceof Element ? target.closest("button")?.dataset.page : undefined;
      if (page) {
        this.show(/** @type {Page} */ (page));
      }
    });
    isNarrow.addEventListener("change", () => this.#press());
  }

  /** @param {Role} role */
  open(role) {
    const pages = PAGES[role];
    for (const button of bar.querySelectorAll("button")) {
      button.hidden = !pages.includes(/** @type {Page} */ (button.dataset.page));
    }
    this.show(pages.includes("alerts") ? "alerts" : "messages");
    this.show("map");
  }

  /** @param {Page} page */
  show(page) {
    this.floor.dataset.page = page;
    if (page === "alerts" || page === "messages") {
      this.floor.dataset.side = page;
    }
    this.#press();
  }

  #press() {
    const shown = isNarrow.matches ? this.floor.dataset.page : this.floor.dataset.side;
    for (const button of bar.querySelectorAll("button")) {
      button.ariaPressed = String(button.dataset.page === shown);
    }
  }
}
