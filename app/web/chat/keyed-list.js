// @ts-check

/**
 * @template Item
 * @typedef {object} Drawing
 * @property {(item: Item) => unknown} keyOf tells items apart; an element stays with its key
 * @property {(item: Item) => string} stampOf changes when the element has to
 * @property {(item: Item) => HTMLElement} create
 * @property {(element: HTMLElement, item: Item) => void} update called after `create`, too
 */

/**
 * The children of an element as a picture of some items. Showing others touches only what differs, so focus, selection
 * and the reader's place survive.
 *
 * @template Item
 */
export class KeyedList {
  /** @type {Map<unknown, { element: HTMLElement, stamp: string | undefined }>} */
  #shown = new Map();

  /**
   * @param {HTMLElement} list
   * @param {Drawing<Item>} drawing
   */
  constructor(list, drawing) {
    this.list = list;
    this.drawing = drawing;
  }

  /** @param {readonly Item[]} items no two with one key */
  show(items) {
    this.#removeAllBut(new Set(items.map(this.drawing.keyOf)));
    let next = this.list.firstElementChild;
    for (const item of items) {
      const element = this.#elementOf(item);
      if (element === next) {
        next = element.nextElementSibling;
      } else {
        this.list.insertBefore(element, next);
      }
    }
  }

  /** @param {unknown} key */
  elementAt(key) {
    return this.#shown.get(key)?.element;
  }

  /** @param {Set<unknown>} keys */
  #removeAllBut(keys) {
    for (const [key, { element }] of this.#shown) {
      if (!keys.has(key)) {
        element.remove();
        this.#shown.delete(key);
      }
    }
  }

  /** @param {Item} item */
  #elementOf(item) {
    const { keyOf, stampOf, create, update } = this.drawing;
    const key = keyOf(item);
    const stamp = stampOf(item);
    const shown = this.#shown.get(key) ?? { element: create(item), stamp: undefined };
    this.#shown.set(key, shown);
    if (shown.stamp !== stamp) {
      shown.stamp = stamp;
      update(shown.element, item);
    }
    return shown.element;
  }
}
