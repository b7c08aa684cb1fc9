// @ts-check

/** Where the layout changes: a drawer may be a column on the other side. */
const layouts = [matchMedia("(max-width: 60rem)"), matchMedia("(max-width: 44rem)")];

/** A column that is a drawer on narrow screens: the style sheet decides where, `data-open` what is to be seen. */
export class Drawer {
  /**
   * @param {object} parts
   * @param {HTMLElement} parts.panel
   * @param {HTMLButtonElement} parts.button opens it
   * @param {HTMLElement} parts.backdrop lies behind it
   * @param {HTMLElement[]} parts.rest cannot be reached while it is open
   */
  constructor({ panel, button, backdrop, rest }) {
    this.panel = panel;
    this.button = button;
    this.backdrop = backdrop;
    this.rest = rest;
    button.addEventListener("click", () => this.open());
    backdrop.addEventListener("click", () => this.close());
    panel.querySelector(".close")?.addEventListener("click", () => this.close());
    document.addEventListener("keydown", (event) => {
      if (event.key === "Escape") {
        this.close();
      }
    });
    for (const layout of layouts) {
      layout.addEventListener("change", () => this.#show(false));
    }
  }

  get isOpen() {
    return this.panel.dataset.open === "true";
  }

  open() {
    this.#show(true);
    this.panel.querySelector("button")?.focus();
  }

  /** Back to the button that opened it. Does nothing while it is closed. */
  close() {
    if (this.isOpen) {
      this.#show(false);
      this.button.focus();
    }
  }

  /** @param {boolean} isOpen */
  #show(isOpen) {
    this.panel.dataset.open = String(isOpen);
    this.button.ariaExpanded = String(isOpen);
    this.backdrop.hidden = !isOpen;
    for (const element of this.rest) {
      element.inert = isOpen;
    }
  }
}
