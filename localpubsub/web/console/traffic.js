// @ts-check
/** @import { Kind, RecordId, Snapshot, TrafficRecord } from "./protocol.js" */
/** @import { Entry } from "./records.js" */
import { command, sentenceOf } from "./api.js";
import { Detail } from "./detail.js";
import { find, make, setText } from "./dom.js";
import { Filter } from "./filter.js";
import { KINDS, KIND_WORDS } from "./protocol.js";
import { Records } from "./records.js";
import { Tree } from "./tree.js";
import { count, counted } from "./words.js";

const MOST_WAITING = 5_000;

/** The middle of the page: what happened, and why. */
export class Traffic {
  #records = new Records();
  #filter = new Filter();
  #isPaused = false;
  /** What came while paused, by id, with its weight. @type {Map<RecordId, [TrafficRecord, number]>} */
  #waiting = new Map();
  #endpoint = location.origin;
  #text = find("filter-text", HTMLInputElement);
  #hub = find("filter-hub", HTMLSelectElement);
  #connection = find("filter-connection", HTMLInputElement);
  #kinds = find("filter-kinds");
  #pause = find("pause", HTMLButtonElement);
  #counts = find("traffic-counts");
  #empty = find("traffic-empty");
  #noMatch = find("traffic-no-match");

  /** @param {(sentence: string, isProblem?: boolean) => void} say */
  constructor(say) {
    this.say = say;
    this.tree = new Tree({
      list: find("tree"),
      older: find("older", HTMLButtonElement),
      records: this.#records,
      filter: this.#filter,
      select: (entry, goesThere) => this.#select(entry, goesThere),
      rendered: (shown) => this.#tellCounts(shown),
    });
    this.detail = new Detail({
      pane: find("detail"),
      records: this.#records,
      endpoint: () => this.#endpoint,
      replay: (record) => this.#replay(record),
      filterBy: (connectionId) => this.showConnection(connectionId),
      go: (entry) => {
        this.#select(entry);
        this.tree.reveal(entry);
      },
      closed: () => {
        this.tree.focus();
        this.tree.markSelected(null);
      },
    });
    this.#listen();
  }

  /** A feed begins, perhaps of a service that was restarted. */
  begin() {
    this.#records.begin();
  }

  /**
   * @param {TrafficRecord[]} records
   * @param {number} characters how many the batch had
   */
  add(records, characters) {
    const weight = Math.ceil(characters / Math.max(1, records.length));
    for (const record of records) {
      if (this.#isPaused) {
        this.#waiting.delete(record.id);
        this.#waiting.set(record.id, [record, weight]);
      } else {
        this.#records.put(record, weight);
      }
    }
    for (const id of this.#waiting.keys()) {
      if (this.#waiting.size <= MOST_WAITING) {
        break;
      }
      this.#waiting.delete(id);
    }
    this.#tellPause();
    this.#changed();
  }

  /** @param {Snapshot} snapshot */
  update({ endpoint, hubs }) {
    this.#endpoint = endpoint;
    const known = new Set([...this.#hub.options].map(({ value }) => value));
    this.#hub.append(...hubs.filter(({ name }) => !known.has(name)).map(({ name }) => new Option(name, name)));
  }

  /** @param {string} connectionId */
  showConnection(connectionId) {
    this.#connection.value = connectionId;
    this.#applyFilter();
  }

  #listen() {
    for (const field of [this.#text, this.#hub, this.#connection]) {
      field.addEventListener("input", () => this.#applyFilter());
    }
    for (const kind of KINDS) {
      const label = make("label", "chip");
      label.dataset.kind = kind;
      const box = make("input");
      box.type = "checkbox";
      box.value = kind;
      box.checked = true;
      box.addEventListener("change", () => this.#applyFilter());
      label.append(box, make("span", "", KIND_WORDS[kind]));
      this.#kinds.append(label);
    }
    this.#pause.addEventListener("click", () => this.#setPaused(!this.#isPaused));
    find("clear").addEventListener("click", () => this.#clear());
    find("fold-all").addEventListener("click", ({ currentTarget }) => {
      const areOpen = !this.#records.startsOpen;
      this.#records.startsOpen = areOpen;
      this.tree.setAllOpen(areOpen);
      setText(/** @type {Element} */ (currentTarget), areOpen ? "Fold all" : "Unfold all");
    });
    find("show-everything").addEventListener("click", () => {
      this.#text.value = this.#hub.value = this.#connection.value = "";
      for (const box of this.#boxes()) {
        box.checked = true;
      }
      this.#applyFilter();
      this.#text.focus();
    });
  }

  #boxes() {
    return [...this.#kinds.querySelectorAll("input")];
  }

  #applyFilter() {
    this.#filter.text = this.#text.value.trim();
    this.#filter.hub = this.#hub.value;
    this.#filter.connection = this.#connection.value.trim();
    const chosen = this.#boxes().filter(({ checked }) => checked);
    this.#filter.kinds = new Set(chosen.map(({ value }) => /** @type {Kind} */ (value)));
    this.tree.restart();
  }

  /** @param {boolean} isPaused */
  #setPaused(isPaused) {
    this.#isPaused = isPaused;
    for (const [record, weight] of this.#waiting.values()) {
      this.#records.put(record, weight);
    }
    this.#waiting.clear();
    this.#tellPause();
    this.#changed();
  }

  #clear() {
    this.#records.clear();
    this.#waiting.clear();
    this.detail.close();
    this.#tellPause();
    this.tree.restart();
  }

  #changed() {
    this.detail.refresh();
    this.tree.render();
  }

  #tellPause() {
    this.#pause.setAttribute("aria-pressed", String(this.#isPaused));
    const waiting = this.#waiting.size;
    setText(this.#pause, this.#isPaused ? (waiting ? `Resume (${count(waiting)} waiting)` : "Resume") : "Pause");
  }

  /** @param {number} shown */
  #tellCounts(shown) {
    const { size } = this.#records;
    this.#empty.hidden = size > 0;
    this.#noMatch.hidden = size === 0 || shown > 0;
    setText(this.#counts, size === 0 ? "" : counted(size, "record"));
  }

  /**
   * @param {Entry} entry
   * @param {boolean} [goesThere] whether the keyboard goes to the details
   */
  #select(entry, goesThere = false) {
    this.tree.markSelected(entry);
    this.detail.show(entry, goesThere);
  }

  /** @param {TrafficRecord} record */
  async #replay({ id }) {
    try {
      await command("replay", { recordId: id });
      this.say("The event was sent again.");
    } catch (error) {
      this.say(sentenceOf(error), true);
    }
  }
}
