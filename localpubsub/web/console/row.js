// @ts-check
/** @import { TrafficRecord } from "./protocol.js" */
/** @import { Entry } from "./records.js" */
import { make, setText } from "./dom.js";
import { KIND_WORDS } from "./protocol.js";
import { counted, day, duration, shortened, timeOfDay } from "./words.js";

let lastNumber = 0;

/** One record in the tree: its line, and the list of what it caused. */
export class Row {
  #revision = -1;
  #twisty = make("span", "twisty");
  #kind = make("span", "kind");
  #guess = make("span", "guess", "probably");
  #summary = make("span", "summary");
  #who = make("span", "who");
  #outcome = make("span", "outcome");
  #took = make("span", "took");
  #time = make("time", "time");

  /** @param {Entry} entry */
  constructor(entry) {
    this.entry = entry;
    this.element = make("li", "record");
    this.element.role = "treeitem";
    this.element.tabIndex = -1;
    this.line = make("div", "line");
    this.line.id = `line-${++lastNumber}`;
    this.element.setAttribute("aria-labelledby", this.line.id);
    this.element.append(this.line);
    this.#twisty.ariaHidden = "true";
    this.#guess.title = "The cause of this one is a guess, by time and connection: nothing on the wire says it.";
    this.#summary.dir = "auto";
    const what = make("div", "what");
    what.append(this.#guess, this.#summary);
    this.line.append(this.#twisty, this.#kind, what);
    this.line.append(this.#who, this.#outcome, this.#took, this.#time);
    /** @type {HTMLUListElement | null} */
    this.group = null;
  }

  /** @param {Element} target */
  isTwisty(target) {
    return target === this.#twisty;
  }

  /**
   * @param {number} level
   * @param {boolean} hasChildren
   */
  update(level, hasChildren) {
    const { entry, element } = this;
    element.ariaLevel = String(level);
    element.ariaExpanded = hasChildren ? String(entry.isOpen) : null;
    element.classList.toggle("context", entry.isContext);
    if (this.#revision !== entry.revision) {
      this.#revision = entry.revision;
      this.#write(entry.record);
    }
    this.#guess.hidden = entry.parent === null || entry.record.exact;
  }

  /** @param {TrafficRecord} record */
  #write(record) {
    const { kind, summary, hub, userId, connectionId, tookMs, at } = record;
    this.element.dataset.kind = kind;
    setText(this.#kind, KIND_WORDS[kind] ?? kind);
    setText(this.#summary, summary);
    setText(this.#who, [userId || (connectionId && shortened(connectionId, 8)), hub].filter(Boolean).join(" · "));
    this.#who.title = connectionId ? `Connection ${connectionId}` : "";
    const { words, tone } = outcomeOf(record);
    setText(this.#outcome, words);
    this.#outcome.dataset.tone = tone;
    setText(this.#took, tookMs === null || tookMs === undefined ? "" : duration(tookMs));
    setText(this.#time, timeOfDay(at));
    this.#time.dateTime = new Date(at).toISOString();
    this.#time.title = day(at);
  }

  /** The list of what it caused, made when it is first needed. */
  needGroup() {
    if (this.group === null) {
      this.group = make("ul", "caused");
      this.group.role = "group";
      this.element.append(this.group);
    }
    return this.group;
  }

  dropGroup() {
    this.group?.remove();
    this.group = null;
  }
}

/**
 * @param {TrafficRecord} record
 * @returns {{ words: string, tone: "" | "good" | "bad" | "odd" | "waiting" }}
 */
export function outcomeOf({ kind, status, detail }) {
  if (typeof status === "number") {
    const isGood = status >= 200 && status < 300;
    return { words: String(status), tone: isGood ? "good" : status >= 400 || status === 0 ? "bad" : "odd" };
  }
  if (kind === "event" && !detail.answer && !detail.error) {
    return { words: "waiting", tone: "waiting" };
  }
  if (kind === "frame" && detail.ack) {
    const { success, error } = detail.ack;
    return success ? { words: "acked", tone: "" } : { words: error?.name ?? "refused", tone: "bad" };
  }
  if (kind === "delivery" && typeof detail.receivers === "number") {
    return { words: counted(detail.receivers, "receiver"), tone: detail.receivers === 0 ? "odd" : "" };
  }
  return detail.error || detail.answer?.error ? { words: "failed", tone: "bad" } : { words: "", tone: "" };
}
