// @ts-check
/** @import { Kind } from "./protocol.js" */
/** @import { Entry } from "./records.js" */
import { KINDS } from "./protocol.js";

/** Which records a person wants to see. What a fitting record caused comes with it; what caused it stays as context. */
export class Filter {
  hub = "";
  connection = "";
  text = "";
  /** @type {Set<Kind>} */
  kinds = new Set(KINDS);

  get isEmpty() {
    return !this.hub && !this.connection && !this.text && this.kinds.size === KINDS.length;
  }

  clear() {
    this.hub = this.connection = this.text = "";
    this.kinds = new Set(KINDS);
  }

  /**
   * Marks a tree, and says whether anything of it is shown.
   *
   * @param {Entry} entry
   * @param {boolean} [causeFits]
   * @returns {boolean}
   */
  mark(entry, causeFits = false) {
    const fits = causeFits || this.#fits(entry);
    let below = false;
    for (const child of entry.children) {
      below = this.mark(child, fits) || below;
    }
    const wanted = fits && this.kinds.has(entry.record.kind);
    entry.isShown = wanted || below;
    entry.isContext = below && !wanted;
    return entry.isShown;
  }

  /** @param {Entry} entry */
  #fits(entry) {
    const { hub, connectionId, userId } = entry.record;
    return (
      (!this.hub || hub.toLowerCase() === this.hub.toLowerCase()) &&
      (!this.connection || (connectionId ?? "").startsWith(this.connection) || userId === this.connection) &&
      (!this.text || entry.searchable.includes(this.text.toLowerCase()))
    );
  }
}
