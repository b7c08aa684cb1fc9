// @ts-check
import { make, nameOf as named, part } from "../chat/elements.js";
import { KeyedList } from "../chat/keyed-list.js";
import { glyph, kindOf } from "./glyphs.js";
import { nameOf } from "./rules.js";
import { behind, behindWords, expectedAt, momentWords } from "./words.js";

/** @import { Board } from "./board.js" */
/** @import { Shipment } from "./shapes.js" */
/** @typedef {"id" | "state" | "from" | "to" | "vehicle" | "expected" | "behind"} Column */
/** @typedef {{ shipment: Shipment, behindBy: number, place: number, isAlerted: boolean }} Line */

const ROW_PX = 34;
const SPARE_ROWS = 8;
const LATE_FROM_SECONDS = 300;

const scroller = part("table-scroller", HTMLElement);
const table = part("shipments-table", HTMLTableElement);
const above = part("rows-above", HTMLTableSectionElement);
const rows = part("rows", HTMLTableSectionElement);
const below = part("rows-below", HTMLTableSectionElement);
const count = part("shipments-count", HTMLElement);
const empty = part("shipments-empty", HTMLElement);
const textField = part("filter-text", HTMLInputElement);
const stateField = part("filter-state", HTMLSelectElement);

/** @type {Record<Column, (shipment: Shipment, now: number) => string | number>} */
const SORTED_BY = {
  id: ({ id }) => id,
  state: ({ state }) => state,
  from: ({ origin }) => nameOf(origin),
  to: ({ destination }) => nameOf(destination),
  vehicle: ({ vehicle }) => nameOf(vehicle),
  expected: (shipment) => expectedAt(shipment),
  behind: (shipment, now) => behind(shipment, now),
};

/** All shipments in a window of rows: only those in sight, and some around them, are elements. */
export class ShipmentTable {
  /** @type {Column} */
  #column = "expected";
  #direction = 1;
  /** @type {Shipment[]} */
  #found = [];
  /** @type {Board | null} */
  #board = null;
  /** @type {Set<string>} */
  #alerted = new Set();
  #selected = "";
  /** The one that the Tab key reaches. */
  #current = "";
  /** @type {KeyedList<Line>} */
  #list;

  /** @param {{ select: (shipment: string) => void }} deeds */
  constructor({ select }) {
    this.select = select;
    this.#list = new KeyedList(rows, {
      keyOf: ({ shipment }) => shipment.id,
      stampOf: (line) => this.#stampOf(line),
      create: () => make("tr", "row"),
      update: (row, line) => this.#drawRow(row, line),
    });
    scroller.addEventListener("scroll", () => this.#showWindow());
    new ResizeObserver(() => this.#showWindow()).observe(scroller);
    textField.addEventListener("input", () => this.#searchAgain());
    stateField.addEventListener("change", () => this.#searchAgain());
    rows.addEventListener("click", ({ target }) => this.#choose(idAt(target)));
    rows.addEventListener("keydown", (event) => this.#press(event));
    for (const header of table.querySelectorAll("th")) {
      const column = /** @type {Column} */ (header.dataset.column);
      header.querySelector("button")?.addEventListener("click", () => this.sortBy(column));
    }
  }

  /** @param {Board} board */
  open(board) {
    this.#board = board;
    this.#selected = this.#current = "";
    textField.value = "";
    stateField.value = "open";
    scroller.scrollTop = 0;
    this.refresh();
  }

  /** Finds and orders anew. */
  refresh() {
    const board = this.#board;
    if (board === null) {
      return;
    }
    this.#alerted = new Set(
      [...board.alerts.values()].filter(({ clearedAt }) => clearedAt === null).map(({ shipment }) => shipment),
    );
    const { now } = board;
    const text = textField.value.trim().toLowerCase();
    const all = [...board.shipments.values()];
    const keyed = all
      .filter((shipment) => this.#isWanted(shipment) && (text === "" || textOf(shipment).includes(text)))
      .map((shipment) => /** @type {const} */ ([SORTED_BY[this.#column](shipment, now), shipment]));
    keyed.sort(
      ([one, first], [other, second]) => this.#direction * compare(one, other) || compare(first.id, second.id),
    );
    this.#found = keyed.map(([, shipment]) => shipment);
    count.textContent = `${this.#found.length} of ${all.length}`;
    empty.hidden = this.#found.length > 0;
    empty.textContent = all.length > 0 ? "No shipment fits this filter." : "There are no shipments yet.";
    table.ariaRowCount = String(this.#found.length + 1);
    this.#showWindow();
  }

  /** @param {string} text */
  search(text) {
    textField.value = text;
    this.#searchAgain();
  }

  /** @param {string} id empty for none */
  showSelected(id) {
    this.#selected = id;
    this.#current = id || this.#current;
    this.#showWindow();
  }

  /** @param {string} id of the row that gets the focus, if it is in the list */
  focusOn(id) {
    const place = this.#found.findIndex((shipment) => shipment.id === id);
    if (place >= 0) {
      this.#goTo(place);
    } else {
      textField.focus();
    }
  }

  /** @param {Column} column */
  sortBy(column) {
    this.#direction = column === this.#column ? -this.#direction : 1;
    this.#column = column;
    for (const header of table.querySelectorAll("th")) {
      const isSorted = header.dataset.column === column;
      header.ariaSort = isSorted ? (this.#direction > 0 ? "ascending" : "descending") : "none";
    }
    scroller.scrollTop = 0;
    this.refresh();
  }

  #searchAgain() {
    scroller.scrollTop = 0;
    this.refresh();
  }

  /** @param {Shipment} shipment */
  #isWanted({ id, state }) {
    switch (stateField.value) {
      case "all":
        return true;
      case "open":
        return state !== "delivered";
      case "alerted":
        return this.#alerted.has(id);
      default:
        return state === stateField.value;
    }
  }

  #showWindow() {
    const board = this.#board;
    if (board === null) {
      return;
    }
    const found = this.#found;
    const inSight = Math.ceil(scroller.clientHeight / ROW_PX) + 2 * SPARE_ROWS;
    const begin = Math.max(0, Math.min(Math.floor(scroller.scrollTop / ROW_PX) - SPARE_ROWS, found.length - inSight));
    const seen = found.slice(begin, begin + inSight);
    if (!seen.some(({ id }) => id === this.#current)) {
      this.#current = seen[0]?.id ?? "";
    }
    above.rows[0].style.height = `${begin * ROW_PX}px`;
    below.rows[0].style.height = `${Math.max(0, found.length - begin - seen.length) * ROW_PX}px`;
    const { now } = board;
    const focused = rows.contains(document.activeElement) ? idAt(document.activeElement) : undefined;
    this.#list.show(
      seen.map((shipment, index) => ({
        shipment,
        behindBy: behind(shipment, now),
        place: begin + index,
        isAlerted: this.#alerted.has(shipment.id),
      })),
    );
    // A row that moves among the others loses the focus on its way.
    if (focused !== undefined && !rows.contains(document.activeElement)) {
      const button = this.#list.elementAt(focused)?.querySelector("button");
      (button ?? scroller).focus({ preventScroll: true });
    }
  }

  /** @param {Line} line */
  #stampOf({ shipment, behindBy, place, isAlerted }) {
    const marks = [shipment.id === this.#selected, shipment.id === this.#current, isAlerted];
    return [shipment.number, behindWords(behindBy), place, ...marks].join();
  }

  /**
   * @param {HTMLElement} row
   * @param {Line} line
   */
  #drawRow(row, { shipment, behindBy, place, isAlerted }) {
    const { id, state, origin, destination, vehicle } = shipment;
    row.dataset.id = id;
    row.dataset.selected = String(id === this.#selected);
    row.ariaRowIndex = String(place + 2);
    const button = row.querySelector("button") ?? make("button", "link row-name");
    button.type = "button";
    button.textContent = id;
    button.title = id;
    button.tabIndex = id === this.#current ? 0 : -1;
    button.ariaCurrent = id === this.#selected ? "true" : null;
    const head = row.querySelector("th") ?? make("th", "cell-id");
    head.scope = "row";
    if (!head.contains(button)) {
      head.append(button);
    }
    const sign = make("span", "signed");
    sign.append(glyph(kindOf(state)), make("span", "", state));
    if (isAlerted) {
      sign.append(make("span", "alerted", "alert"));
    }
    const stateCell = make("td", "cell-state");
    stateCell.append(sign);
    const late = make("td", "cell-behind", behindWords(behindBy));
    late.dataset.late = String(behindBy >= LATE_FROM_SECONDS);
    const cells = [
      stateCell,
      cellOf("cell-from", nameOf(origin)),
      cellOf("cell-to", nameOf(destination)),
      cellOf("cell-vehicle", nameOf(vehicle) || "–"),
      make("td", "cell-expected", momentWords(expectedAt(shipment), this.#board?.now ?? 0)),
      late,
    ];
    row.querySelectorAll("td").forEach((cell) => cell.remove());
    if (head.parentElement !== row) {
      row.prepend(head);
    }
    row.append(...cells);
  }

  /** @param {string | undefined} id */
  #choose(id) {
    if (id !== undefined) {
      this.#current = id;
      this.select(id);
    }
  }

  /** @param {KeyboardEvent} event */
  #press(event) {
    const at = this.#found.findIndex(({ id }) => id === idAt(event.target));
    const page = Math.max(1, Math.floor(scroller.clientHeight / ROW_PX) - 2);
    /** @type {Record<string, number>} */
    const places = {
      ArrowDown: at + 1,
      ArrowUp: at - 1,
      PageDown: at + page,
      PageUp: at - page,
      Home: 0,
      End: this.#found.length - 1,
    };
    const place = places[event.key];
    if (at >= 0 && place !== undefined) {
      event.preventDefault();
      this.#goTo(Math.max(0, Math.min(this.#found.length - 1, place)));
    }
  }

  /** @param {number} place */
  #goTo(place) {
    const head = table.tHead?.offsetHeight ?? 0;
    const top = place * ROW_PX;
    if (top < scroller.scrollTop) {
      scroller.scrollTop = top;
    } else if (top + ROW_PX > scroller.scrollTop + scroller.clientHeight - head) {
      scroller.scrollTop = top + ROW_PX - scroller.clientHeight + head;
    }
    this.#current = this.#found[place].id;
    this.#showWindow();
    this.#list.elementAt(this.#current)?.querySelector("button")?.focus({ preventScroll: true });
  }
}

/**
 * @param {string} className
 * @param {string} text
 */
function cellOf(className, text) {
  const cell = make("td", className);
  cell.append(named("", text));
  return cell;
}

/** @param {EventTarget | null} target */
function idAt(target) {
  const row = target instanceof Element ? target.closest("tr") : null;
  return row?.dataset.id;
}

/** @param {Shipment} shipment */
function textOf({ id, state, origin, destination, customer, transporter, vehicle, goods, reason }) {
  return [id, state, origin, destination, customer, transporter, vehicle, goods, reason].join(" ").toLowerCase();
}

/**
 * @param {string | number} one
 * @param {string | number} other
 */
function compare(one, other) {
  return one < other ? -1 : Number(one > other);
}
