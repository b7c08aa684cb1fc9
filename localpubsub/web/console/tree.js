// @ts-check
/** @import { Entry, Records } from "./records.js" */
/** @import { Filter } from "./filter.js" */
import { arrange, button, make, oncePerFrame } from "./dom.js";
import { Row } from "./row.js";
import { count } from "./words.js";

const ROOTS_AT_ONCE = 100;
const CHILDREN_MORE = 200;

/** The records as a tree, newest cause first. However many there are, only a window of them is on the page. */
export class Tree {
  /** @type {WeakMap<Entry, Row>} */
  #rows = new WeakMap();
  /** @type {WeakMap<Element, Row>} */
  #byElement = new WeakMap();
  #limit = ROOTS_AT_ONCE;
  /** The one item Tab leads to. @type {HTMLElement | null} */
  #current = null;
  /** @type {Entry | null} */
  #selected = null;
  render = oncePerFrame(() => this.#render());

  /**
   * @param {object} parts
   * @param {HTMLElement} parts.list
   * @param {HTMLButtonElement} parts.older
   * @param {Records} parts.records
   * @param {Filter} parts.filter
   * @param {(entry: Entry, goesThere?: boolean) => void} parts.select called for the record a person wants to read
   * @param {(shown: number) => void} parts.rendered
   */
  constructor({ list, older, records, filter, select, rendered }) {
    this.list = list;
    this.older = older;
    this.records = records;
    this.filter = filter;
    this.select = select;
    this.rendered = rendered;
    older.addEventListener("click", () => {
      this.#limit += ROOTS_AT_ONCE;
      this.render();
    });
    list.addEventListener("click", (event) => this.#click(event));
    list.addEventListener("keydown", (event) => this.#press(event));
    list.addEventListener("focusin", ({ target }) => this.#makeCurrent(itemOf(target)));
  }

  /** Back to the newest, as after a change of the filter. */
  restart() {
    this.#limit = ROOTS_AT_ONCE;
    this.render();
  }

  /** @param {boolean} isOpen */
  setAllOpen(isOpen) {
    /** @param {Entry[]} entries */
    const visit = (entries) => {
      for (const entry of entries) {
        entry.isOpen = isOpen;
        visit(entry.children);
      }
    };
    visit(this.records.roots);
    this.render();
  }

  /** @param {Entry | null} entry */
  markSelected(entry) {
    for (const [one, selected] of /** @type {const} */ ([[this.#selected, false], [entry, true]])) {
      const row = one && this.#rows.get(one);
      if (row) {
        row.element.ariaSelected = selected ? "true" : null;
      }
    }
    this.#selected = entry;
  }

  /** To the record a person was reading, or else to where they were. */
  focus() {
    const row = this.#selected && this.#rows.get(this.#selected);
    (row?.element.isConnected ? row.element : this.#current)?.focus();
  }

  /**
   * Shows a record wherever it hides.
   *
   * @param {Entry} entry
   */
  reveal(entry) {
    for (let one = entry.parent; one !== null; one = one.parent) {
      one.isOpen = true;
      one.limit = Math.max(one.limit, one.children.length);
    }
    this.render();
    requestAnimationFrame(() => this.#rows.get(entry)?.line.scrollIntoView({ block: "nearest" }));
  }

  #render() {
    const hadFocus = this.list.contains(document.activeElement);
    const chosen = [];
    const { roots } = this.records;
    let index = roots.length - 1;
    for (; index >= 0 && chosen.length <= this.#limit; index--) {
      if (this.filter.mark(roots[index])) {
        chosen.push(roots[index]);
      }
    }
    const hasOlder = chosen.length > this.#limit;
    if (hasOlder) {
      chosen.pop();
    }
    this.#fill(this.list, chosen, 1);
    this.older.hidden = !hasOlder;
    if (!this.#current?.isConnected) {
      this.#makeCurrent(/** @type {HTMLElement | null} */ (this.list.firstElementChild));
      if (hadFocus) {
        this.#current?.focus({ preventScroll: true });
      }
    }
    this.rendered(chosen.length);
  }

  /**
   * @param {HTMLElement} list
   * @param {Entry[]} entries
   * @param {number} level
   * @param {Element} [last] what stands behind them
   */
  #fill(list, entries, level, last) {
    const elements = entries.map((entry) => this.#show(entry, level).element);
    arrange(list, last ? [...elements, last] : elements);
  }

  /**
   * @param {Entry} entry
   * @param {number} level
   */
  #show(entry, level) {
    const row = this.#rowOf(entry);
    const children = entry.children.filter((child) => child.isShown);
    row.update(level, children.length > 0);
    if (children.length === 0 || !entry.isOpen) {
      row.dropGroup();
      return row;
    }
    const hidden = children.length - entry.limit;
    const more = hidden > 0 ? this.#moreOf(entry, hidden, level + 1) : undefined;
    this.#fill(row.needGroup(), children.slice(0, entry.limit), level + 1, more);
    return row;
  }

  /** @param {Entry} entry */
  #rowOf(entry) {
    let row = this.#rows.get(entry);
    if (row === undefined) {
      row = new Row(entry);
      this.#rows.set(entry, row);
      this.#byElement.set(row.element, row);
    }
    return row;
  }

  /**
   * @param {Entry} entry
   * @param {number} hidden
   * @param {number} level
   */
  #moreOf(entry, hidden, level) {
    const element = make("li", "record more");
    element.role = "treeitem";
    element.tabIndex = -1;
    element.ariaLevel = String(level);
    const more = button(`${count(hidden)} more`, () => {
      entry.limit += CHILDREN_MORE;
      this.render();
    }, "link");
    more.tabIndex = -1;
    element.append(more);
    return element;
  }

  /** @param {MouseEvent} event */
  #click({ target }) {
    const item = itemOf(target);
    const row = item && this.#byElement.get(item);
    if (!row || !(target instanceof Element) || !row.line.contains(target)) {
      return;
    }
    this.#makeCurrent(item);
    if (row.isTwisty(target) && item.ariaExpanded !== null) {
      this.#setOpen(row, !row.entry.isOpen);
    } else {
      this.select(row.entry);
    }
  }

  /** @param {KeyboardEvent} event */
  #press(event) {
    const item = itemOf(event.target);
    if (item === null || event.ctrlKey || event.altKey || event.metaKey) {
      return;
    }
    const row = this.#byElement.get(item);
    switch (event.key) {
      case "ArrowDown":
        this.#step(item, 1);
        break;
      case "ArrowUp":
        this.#step(item, -1);
        break;
      case "Home":
        this.#go(this.#items().at(0));
        break;
      case "End":
        this.#go(this.#items().at(-1));
        break;
      case "ArrowRight":
        if (row && item.ariaExpanded === "false") {
          this.#setOpen(row, true);
        } else if (item.ariaExpanded === "true") {
          this.#step(item, 1);
        }
        break;
      case "ArrowLeft":
        if (row && item.ariaExpanded === "true") {
          this.#setOpen(row, false);
        } else {
          this.#go(item.parentElement?.closest("[role=treeitem]"));
        }
        break;
      case "Enter":
      case " ":
        if (row) {
          this.select(row.entry, event.key === "Enter");
        } else {
          item.querySelector("button")?.click();
        }
        break;
      default:
        return;
    }
    event.preventDefault();
  }

  /**
   * @param {Row} row
   * @param {boolean} isOpen
   */
  #setOpen(row, isOpen) {
    row.entry.isOpen = isOpen;
    this.render();
  }

  #items() {
    return /** @type {HTMLElement[]} */ ([...this.list.querySelectorAll("[role=treeitem]")]);
  }

  /**
   * @param {HTMLElement} item
   * @param {1 | -1} step
   */
  #step(item, step) {
    const items = this.#items();
    this.#go(items[items.indexOf(item) + step]);
  }

  /** @param {Element | null | undefined} item */
  #go(item) {
    if (!(item instanceof HTMLElement)) {
      return;
    }
    item.focus({ preventScroll: true });
    item.firstElementChild?.scrollIntoView({ block: "nearest" });
    const row = this.#byElement.get(item);
    if (row && this.#selected !== null) {
      this.select(row.entry); // the details are open: they follow
    }
  }

  /** @param {HTMLElement | null} item */
  #makeCurrent(item) {
    if (item === null || item === this.#current) {
      return;
    }
    if (this.#current) {
      this.#current.tabIndex = -1;
    }
    item.tabIndex = 0;
    this.#current = item;
  }
}

/**
 * @param {EventTarget | null} target
 * @returns {HTMLElement | null}
 */
const itemOf = (target) => (target instanceof Element ? target.closest("[role=treeitem]") : null);
