// @ts-check
import { find } from "./dom.js";

const NARROW = matchMedia("(max-width: 75rem)");
const VERY_NARROW = matchMedia("(max-width: 52rem)");

/**
 * The panels beside the traffic: columns where there is room, drawers over it where there is not.
 */
export class Panels {
  #sides = /** @type {const} */ ([
    ["hubs", find("show-hubs", HTMLButtonElement), VERY_NARROW],
    ["tools", find("show-tools", HTMLButtonElement), NARROW],
  ]);

  constructor() {
    for (const [name, toggle, narrow] of this.#sides) {
      this.#set(name, !narrow.matches);
      toggle.addEventListener("click", () => this.#set(name, !this.#isOpen(name)));
      narrow.addEventListener("change", () => this.#set(name, !narrow.matches));
      find(name).addEventListener("keydown", (event) => {
        if (event.key === "Escape" && narrow.matches && !event.defaultPrevented) {
          this.#set(name, false);
          toggle.focus();
        }
      });
    }
    startTabs(find("tool-tabs"));
  }

  /** Gives way to the traffic where the drawers would hide it. */
  closeDrawers() {
    for (const [name, , narrow] of this.#sides) {
      if (narrow.matches) {
        this.#set(name, false);
      }
    }
  }

  /** @param {string} tab the id of its panel */
  openTool(tab) {
    this.#set("tools", true);
    document.querySelector(`[aria-controls=${tab}]`)?.dispatchEvent(new MouseEvent("click"));
  }

  /** @param {"hubs" | "tools"} name */
  #isOpen(name) {
    return !find(name).hidden;
  }

  /**
   * @param {"hubs" | "tools"} name
   * @param {boolean} isOpen
   */
  #set(name, isOpen) {
    find(name).hidden = !isOpen;
    document.body.classList.toggle(`with-${name}`, isOpen);
    for (const [one, toggle, narrow] of this.#sides) {
      if (one === name) {
        toggle.ariaExpanded = String(isOpen);
      } else if (isOpen && narrow.matches && VERY_NARROW.matches && this.#isOpen(one)) {
        this.#set(one, false); // one drawer at a time
      }
    }
  }
}

/** Arrow keys move between the tabs, as everywhere. @param {HTMLElement} list */
function startTabs(list) {
  const all = /** @type {HTMLElement[]} */ ([...list.querySelectorAll("[role=tab]")]);
  /** @param {HTMLElement} chosen */
  const choose = (chosen) => {
    for (const tab of all) {
      const isChosen = tab === chosen;
      tab.ariaSelected = String(isChosen);
      tab.tabIndex = isChosen ? 0 : -1;
      find(tab.getAttribute("aria-controls") ?? "").hidden = !isChosen;
    }
  };
  for (const tab of all) {
    tab.addEventListener("click", () => choose(tab));
    tab.addEventListener("keydown", (event) => {
      const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
      if (step !== undefined) {
        const shown = all.filter(({ hidden }) => !hidden);
        const next = shown[(shown.indexOf(tab) + step + shown.length) % shown.length];
        choose(next);
        next.focus();
        event.preventDefault();
      }
    });
  }
  choose(all[0]);
}
