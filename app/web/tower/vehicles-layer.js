// @ts-check
import { kindOf } from "./glyphs.js";
import { Sprites } from "./sprites.js";

/** @import { Board } from "./board.js" */
/** @import { Vehicle } from "./fleet.js" */
/** @import { Kind } from "./glyphs.js" */
/** @import { Viewport } from "./viewport.js" */
/** @typedef {{ vehicle: Vehicle, kind: Kind, isAlerted: boolean, isQuiet: boolean }} Mark */

const SHOWN_BEYOND_EDGE = 12;
const QUIET_AFTER_S = 60;
const QUIET_ALPHA = 0.4;
/** What matters more is drawn later, over the rest. @type {readonly Kind[]} */
const ORDER = ["idle", "delivered", "waiting", "arrived", "departed", "delayed", "exception"];
const FULL_TURN = 2 * Math.PI;

/** The vehicles, on a canvas: thousands of elements that move would be too many. */
export class VehiclesLayer {
  /** @type {Mark[]} */
  #marks = [];
  /** @type {Map<string, string>} */
  #colours = new Map();
  #sprites = new Sprites();
  #context;

  /**
   * @param {HTMLCanvasElement} canvas
   * @param {Viewport} viewport
   */
  constructor(canvas, viewport) {
    this.canvas = canvas;
    this.viewport = viewport;
    this.#context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
    this.readColours();
  }

  get marks() {
    return this.#marks;
  }

  readColours() {
    const style = getComputedStyle(this.canvas);
    this.#sprites.forget();
    for (const name of [...ORDER.map((kind) => `--${kind}`), "--surface", "--ink", "--danger"]) {
      this.#colours.set(name, style.getPropertyValue(name).trim());
    }
  }

  /**
   * @param {Board} board
   * @param {{ hasIdle: boolean }} choice
   */
  refresh(board, { hasIdle }) {
    const alerted = new Set();
    for (const { shipment, clearedAt } of board.alerts.values()) {
      if (clearedAt === null) {
        alerted.add(shipment);
      }
    }
    const { now } = board;
    this.#marks = [];
    for (const vehicle of board.vehicles.values()) {
      const load = board.loadOf(vehicle.name);
      if (load || hasIdle) {
        const isQuiet = now - vehicle.row.at > QUIET_AFTER_S;
        const isAlerted = load !== undefined && alerted.has(load.id);
        this.#marks.push({ vehicle, kind: kindOf(load?.state), isAlerted, isQuiet });
      }
    }
  }

  resize() {
    const { width, height } = this.viewport;
    this.canvas.width = Math.round(width * devicePixelRatio);
    this.canvas.height = Math.round(height * devicePixelRatio);
  }

  /**
   * @param {number} now as `performance.now()` has it
   * @param {Vehicle | null} selected
   * @returns {boolean} whether anything is still on its way
   */
  draw(now, selected) {
    const context = this.#context;
    const radius = this.radius;
    let isMoving = false;
    /** @type {Map<Kind, Mark[]>} */
    const seen = new Map(ORDER.map((kind) => [kind, []]));
    for (const mark of this.#marks) {
      mark.vehicle.glide(now);
      isMoving ||= mark.vehicle.isMoving;
      if (this.#isSeen(mark.vehicle)) {
        seen.get(mark.kind)?.push(mark);
      }
    }
    this.#sprites.use(radius, devicePixelRatio);
    context.resetTransform();
    context.clearRect(0, 0, this.canvas.width, this.canvas.height);
    const inOrder = [...seen.values()].flat();
    for (const mark of inOrder) {
      this.#drawSign(mark);
    }
    context.globalAlpha = 1;
    context.scale(devicePixelRatio, devicePixelRatio);
    this.#drawRings(inOrder, radius);
    if (selected) {
      this.#drawSelection(selected, radius);
    }
    return isMoving;
  }

  /** Pixels; grows as one comes nearer. */
  get radius() {
    const near = Math.log2(Math.max(this.viewport.scale / 16, 1));
    const crowd = this.#marks.length > 600 ? 0.75 : 1;
    return Math.min(10, (4.6 + near) * crowd);
  }

  /**
   * @param {number} x of the screen
   * @param {number} y
   * @param {number} reach pixels
   * @returns {Vehicle | null} the nearest within reach
   */
  near(x, y, reach) {
    let best = reach * reach;
    let nearest = null;
    for (const { vehicle } of this.#marks) {
      const across = this.viewport.screenX(vehicle.x) - x;
      const down = this.viewport.screenY(vehicle.y) - y;
      const distance = across * across + down * down;
      if (distance <= best) {
        best = distance;
        nearest = vehicle;
      }
    }
    return nearest;
  }

  /** @param {Vehicle} vehicle */
  #isSeen({ x, y }) {
    const [across, down] = [this.viewport.screenX(x), this.viewport.screenY(y)];
    return (
      across > -SHOWN_BEYOND_EDGE &&
      down > -SHOWN_BEYOND_EDGE &&
      across < this.viewport.width + SHOWN_BEYOND_EDGE &&
      down < this.viewport.height + SHOWN_BEYOND_EDGE
    );
  }

  /** @param {Mark} mark */
  #drawSign({ vehicle, kind, isQuiet }) {
    const context = this.#context;
    const sign = this.#sprites.of(kind, vehicle.row.heading ?? 0, (name) => this.#colours.get(name) ?? "");
    const x = this.viewport.screenX(vehicle.x) * devicePixelRatio - sign.width / 2;
    const y = this.viewport.screenY(vehicle.y) * devicePixelRatio - sign.height / 2;
    context.globalAlpha = isQuiet ? QUIET_ALPHA : 1;
    context.drawImage(sign, Math.round(x), Math.round(y));
  }

  /**
   * @param {Mark[]} marks
   * @param {number} radius
   */
  #drawRings(marks, radius) {
    const context = this.#context;
    context.beginPath();
    for (const { vehicle, isAlerted } of marks) {
      if (isAlerted) {
        const [x, y] = [this.viewport.screenX(vehicle.x), this.viewport.screenY(vehicle.y)];
        context.moveTo(x + radius * 1.9, y);
        context.arc(x, y, radius * 1.9, 0, FULL_TURN);
      }
    }
    context.lineWidth = 1.5;
    context.strokeStyle = this.#colours.get("--danger") ?? "";
    context.stroke();
  }

  /**
   * @param {Vehicle} vehicle
   * @param {number} radius
   */
  #drawSelection(vehicle, radius) {
    const context = this.#context;
    context.beginPath();
    context.arc(this.viewport.screenX(vehicle.x), this.viewport.screenY(vehicle.y), radius * 2.6, 0, FULL_TURN);
    context.lineWidth = 2.5;
    context.strokeStyle = this.#colours.get("--ink") ?? "";
    context.stroke();
  }
}
