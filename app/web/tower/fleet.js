// @ts-check
import { project } from "./viewport.js";

/** @import { Row } from "./shapes.js" */

// A vehicle takes as long to its new place as the news of it took to come, within reason.
const SHORTEST_GLIDE_MS = 250;
const LONGEST_GLIDE_MS = 2_500;

const stillness = matchMedia("(prefers-reduced-motion: reduce)");

/** A vehicle, where it was said to be, and where it is shown on its way there. */
export class Vehicle {
  /** Where it is shown, on the map's plane. */
  x = 0;
  y = 0;
  #fromX = 0;
  #fromY = 0;
  #toX = 0;
  #toY = 0;
  #beganAt = 0;
  #glideMs = 0;

  /** @param {Row} row */
  constructor(row) {
    this.row = row;
    this.heardAt = performance.now();
    [this.x, this.y] = project(row.lat, row.lon);
    [this.#toX, this.#toY] = [this.x, this.y];
  }

  get name() {
    return this.row.vehicle;
  }

  get isMoving() {
    return this.#glideMs > 0;
  }

  /** @param {Row} row */
  hear(row) {
    const now = performance.now();
    this.#glideMs = stillness.matches ? 0 : Math.min(Math.max(now - this.heardAt, SHORTEST_GLIDE_MS), LONGEST_GLIDE_MS);
    this.heardAt = now;
    this.row = row;
    [this.#fromX, this.#fromY] = [this.x, this.y];
    [this.#toX, this.#toY] = project(row.lat, row.lon);
    this.#beganAt = now;
    if (this.#glideMs === 0) {
      this.#arrive();
    }
  }

  /** @param {number} now as `performance.now()` has it */
  glide(now) {
    if (this.#glideMs === 0) {
      return;
    }
    const share = (now - this.#beganAt) / this.#glideMs;
    if (share >= 1) {
      this.#arrive();
    } else {
      this.x = this.#fromX + (this.#toX - this.#fromX) * Math.max(share, 0);
      this.y = this.#fromY + (this.#toY - this.#fromY) * Math.max(share, 0);
    }
  }

  #arrive() {
    this.#glideMs = 0;
    this.x = this.#toX;
    this.y = this.#toY;
  }
}
