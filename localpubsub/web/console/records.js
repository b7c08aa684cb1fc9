// @ts-check
/** @import { RecordId, TrafficRecord } from "./protocol.js" */

const MOST_RECORDS = 5_000;
const MOST_CHARACTERS = 32 * 2 ** 20;
// Two programs that answer each other would otherwise grow one tree without end.
const DEEPEST = 12;

/** A record's place in the tree of causes. */
export class Entry {
  /** @type {Entry | null} */
  parent = null;
  /** @type {Entry[]} oldest first */
  children = [];
  depth = 0;
  generation = 0;
  /** Raised when the record is replaced. */
  revision = 0;
  isOpen = true;
  /** How many of its children are shown. */
  limit = 50;
  /** Set by the filter: whether it is shown, and whether only for the sake of what it caused. */
  isShown = true;
  isContext = false;
  #searchable = "";

  /**
   * @param {TrafficRecord} record
   * @param {number} weight
   */
  constructor(record, weight) {
    this.record = record;
    this.weight = weight;
  }

  /** @param {TrafficRecord} record */
  replace(record) {
    this.record = record;
    this.revision += 1;
    this.#searchable = "";
  }

  /** Everything a person could search it by, in lower case. */
  get searchable() {
    if (this.#searchable === "") {
      const { summary, hub, connectionId, userId, detail } = this.record;
      this.#searchable = [...texts([summary, hub, connectionId, userId, detail])].join("\n").toLowerCase();
    }
    return this.#searchable;
  }

  /** @returns {number} */
  get size() {
    return this.children.reduce((sum, child) => sum + child.size, 1);
  }
}

/** The newest records, as trees of causes. */
export class Records {
  /** @type {Map<RecordId, Entry>} */
  #entries = new Map();
  /** Roots whose cause is not known, by that cause: it may still come. @type {Map<RecordId, Set<Entry>>} */
  #orphans = new Map();
  #characters = 0;
  /** Raised for each feed: a service that was restarted gives the same ids to other records. */
  #generation = 0;
  /** Whether what comes is unfolded. */
  startsOpen = true;
  /** @type {Entry[]} oldest first */
  roots = [];

  get size() {
    return this.#entries.size;
  }

  /** @param {RecordId} id */
  get(id) {
    return this.#entries.get(id);
  }

  /**
   * A record with a known id takes the place of the earlier one.
   *
   * @param {TrafficRecord} record
   * @param {number} weight about how many characters it holds
   */
  put(record, weight) {
    let known = this.#entries.get(record.id);
    if (known && known.generation < this.#generation && known.record.at !== record.at) {
      this.#renameEarlier();
      known = undefined;
    }
    this.#characters += weight - (known?.weight ?? 0);
    if (known === undefined) {
      this.#add(new Entry(record, weight));
    } else {
      const moves = known.record.cause !== record.cause;
      known.replace(record);
      known.generation = this.#generation;
      known.weight = weight;
      if (moves) {
        this.#detach(known);
        this.#attach(known);
      }
    }
    while (this.#entries.size > MOST_RECORDS || this.#characters > MOST_CHARACTERS) {
      this.#dropOldest();
    }
  }

  clear() {
    this.#entries.clear();
    this.#orphans.clear();
    this.#characters = 0;
    this.roots = [];
  }

  /** A feed begins. */
  begin() {
    this.#generation += 1;
  }

  /** What an earlier service told stays, under ids the present one does not use. */
  #renameEarlier() {
    const own = (/** @type {RecordId} */ id) => `${id} before ${this.#generation}`;
    const entries = [...this.#entries.values()];
    this.#entries.clear();
    for (const entry of entries) {
      if (entry.generation < this.#generation) {
        const { id, cause } = entry.record;
        this.#orphans.get(cause ?? "")?.delete(entry);
        entry.record = { ...entry.record, id: own(id), cause: cause === null ? null : own(cause) };
      }
      this.#entries.set(entry.record.id, entry);
    }
  }

  /** @param {Entry} entry */
  #add(entry) {
    const { id } = entry.record;
    this.#entries.set(id, entry);
    entry.isOpen = this.startsOpen;
    entry.generation = this.#generation;
    this.#attach(entry);
    const waiting = this.#orphans.get(id) ?? [];
    this.#orphans.delete(id);
    for (const orphan of waiting) {
      this.#detach(orphan);
      this.#attach(orphan);
    }
  }

  /** @param {Entry} entry */
  #attach(entry) {
    const { cause } = entry.record;
    const parent = cause === null ? undefined : this.#entries.get(cause);
    if (parent && parent.depth < DEEPEST && !descends(parent, entry)) {
      entry.parent = parent;
      setDepth(entry, parent.depth + 1);
      insert(parent.children, entry);
      return;
    }
    setDepth(entry, 0);
    insert(this.roots, entry);
    if (cause !== null && parent === undefined) {
      const siblings = this.#orphans.get(cause) ?? new Set();
      this.#orphans.set(cause, siblings.add(entry));
    }
  }

  /** @param {Entry} entry */
  #detach(entry) {
    const siblings = entry.parent?.children ?? this.roots;
    const index = siblings.lastIndexOf(entry);
    if (index >= 0) {
      siblings.splice(index, 1);
    }
    entry.parent = null;
  }

  /** A whole tree where there is another one, so that what is left still shows its cause. */
  #dropOldest() {
    const oldest = this.roots[0];
    if (this.roots.length > 1 || oldest.children.length === 0) {
      this.roots.shift();
      this.#forget(oldest);
      return;
    }
    for (const child of oldest.children.splice(0, Math.ceil(oldest.children.length / 2))) {
      this.#forget(child);
    }
    oldest.revision += 1;
  }

  /** @param {Entry} entry */
  #forget(entry) {
    const { id, cause } = entry.record;
    this.#entries.delete(id);
    this.#characters -= entry.weight;
    if (cause !== null && this.#orphans.get(cause)?.delete(entry) && this.#orphans.get(cause)?.size === 0) {
      this.#orphans.delete(cause);
    }
    for (const child of entry.children) {
      this.#forget(child);
    }
  }
}

/**
 * By time, and in the order of arrival where that is the same. Most come last, so it looks from there.
 *
 * @param {Entry[]} entries
 * @param {Entry} entry
 */
function insert(entries, entry) {
  let index = entries.length;
  while (index > 0 && entries[index - 1].record.at > entry.record.at) {
    index -= 1;
  }
  entries.splice(index, 0, entry);
}

/**
 * @param {Entry} entry
 * @param {number} depth
 */
function setDepth(entry, depth) {
  entry.depth = depth;
  for (const child of entry.children) {
    setDepth(child, depth + 1);
  }
}

/**
 * @param {Entry | null} entry
 * @param {Entry} ancestor
 */
function descends(entry, ancestor) {
  for (let one = entry; one !== null; one = one.parent) {
    if (one === ancestor) {
      return true;
    }
  }
  return false;
}

/**
 * @param {unknown} value
 * @returns {Generator<string>}
 */
function* texts(value) {
  if (Array.isArray(value)) {
    for (const one of value) {
      yield* texts(one);
    }
  } else if (typeof value === "object" && value !== null) {
    for (const [name, one] of Object.entries(value)) {
      yield name;
      yield* texts(one);
    }
  } else if (value !== null && value !== undefined) {
    yield String(value);
  }
}
