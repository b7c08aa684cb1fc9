// @ts-check

/** @import { LiveMap } from "./map.js" */

const STEP_PX = 60;
const STEP_ZOOM = 1.5;
const WHEEL_ZOOM = 0.0018;
const DRAG_BEGINS_PX = 5;
const REACH_PX = { mouse: 12, touch: 24 };

/** @type {Record<string, [number, number]>} */
const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

/**
 * Mouse, touch and keyboard on the map.
 *
 * @param {LiveMap} map
 * @param {HTMLElement} surface
 */
export function listenOn(map, surface) {
  const hand = new Hand(map, surface);
  surface.addEventListener("pointerdown", (event) => hand.down(event));
  surface.addEventListener("pointermove", (event) => hand.move(event));
  surface.addEventListener("pointerup", (event) => hand.up(event));
  surface.addEventListener("pointercancel", (event) => hand.forget(event));
  surface.addEventListener("pointerleave", () => map.pointAway());
  surface.addEventListener("dblclick", (event) => map.zoom(STEP_ZOOM, hand.placeOf(event)));
  surface.addEventListener(
    "wheel",
    (event) => {
      event.preventDefault();
      const lines = event.deltaMode === WheelEvent.DOM_DELTA_LINE ? 16 : 1;
      map.zoom(Math.exp(-event.deltaY * lines * WHEEL_ZOOM), hand.placeOf(event));
    },
    { passive: false },
  );
  surface.addEventListener("keydown", (event) => {
    if (event.target === surface && !event.ctrlKey && !event.metaKey && !event.altKey && press(map, event.key)) {
      event.preventDefault();
    }
  });
  surface.addEventListener("blur", () => map.pointAway());
}

/**
 * @param {LiveMap} map
 * @param {string} key
 * @returns {boolean} whether it means something here
 */
function press(map, key) {
  const arrow = ARROWS[key];
  if (arrow) {
    map.pan(arrow[0] * STEP_PX, arrow[1] * STEP_PX);
    return true;
  }
  switch (key) {
    case "+":
    case "=":
      map.zoom(STEP_ZOOM);
      return true;
    case "-":
      map.zoom(1 / STEP_ZOOM);
      return true;
    case "0":
      map.fit();
      return true;
    case "PageDown":
      map.walk(1);
      return true;
    case "PageUp":
      map.walk(-1);
      return true;
    case "Enter":
      map.choose();
      return true;
    default:
      return false;
  }
}

/** One pointer drags, two pinch, and one that does not move chooses. */
class Hand {
  /** @type {Map<number, [number, number]>} */
  #pointers = new Map();
  #travelled = 0;

  /**
   * @param {LiveMap} map
   * @param {HTMLElement} surface
   */
  constructor(map, surface) {
    this.map = map;
    this.surface = surface;
  }

  /**
   * @param {MouseEvent} event
   * @returns {[number, number]} on the map
   */
  placeOf({ clientX, clientY }) {
    const { left, top } = this.surface.getBoundingClientRect();
    return [clientX - left, clientY - top];
  }

  /** @param {PointerEvent} event */
  down(event) {
    if (isOnButton(event) || event.button !== 0) {
      return;
    }
    this.#travelled = this.#pointers.size === 0 ? 0 : DRAG_BEGINS_PX;
    this.#pointers.set(event.pointerId, this.placeOf(event));
    this.surface.setPointerCapture(event.pointerId);
  }

  /** @param {PointerEvent} event */
  move(event) {
    const place = this.placeOf(event);
    const before = this.#pointers.get(event.pointerId);
    if (before === undefined) {
      if (event.pointerType !== "touch" && !isOnButton(event)) {
        this.map.pointAt(...place, REACH_PX.mouse);
      }
      return;
    }
    this.#travelled += Math.hypot(place[0] - before[0], place[1] - before[1]);
    if (this.#travelled < DRAG_BEGINS_PX) {
      return;
    }
    this.#pointers.set(event.pointerId, place);
    const [other] = [...this.#pointers].filter(([id]) => id !== event.pointerId).map(([, point]) => point);
    if (other) {
      this.map.zoom(distance(place, other) / Math.max(distance(before, other), 1), middle(place, other));
      this.map.pan((before[0] - place[0]) / 2, (before[1] - place[1]) / 2);
    } else {
      this.map.pan(before[0] - place[0], before[1] - place[1]);
    }
  }

  /** @param {PointerEvent} event */
  up(event) {
    if (this.#pointers.has(event.pointerId) && this.#travelled < DRAG_BEGINS_PX) {
      this.map.pointAt(...this.placeOf(event), event.pointerType === "mouse" ? REACH_PX.mouse : REACH_PX.touch);
      this.map.choose();
    }
    this.forget(event);
  }

  /** @param {PointerEvent} event */
  forget(event) {
    this.#pointers.delete(event.pointerId);
  }
}

/** @param {Event} event */
function isOnButton({ target }) {
  return target instanceof Element && target.closest("button") !== null;
}

/**
 * @param {[number, number]} one
 * @param {[number, number]} other
 */
function distance(one, other) {
  return Math.hypot(one[0] - other[0], one[1] - other[1]);
}

/**
 * @param {[number, number]} one
 * @param {[number, number]} other
 * @returns {[number, number]}
 */
function middle(one, other) {
  return [(one[0] + other[0]) / 2, (one[1] + other[1]) / 2];
}
