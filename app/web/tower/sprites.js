// @ts-check
import { OUTLINES } from "./glyphs.js";

/** @import { Kind } from "./glyphs.js" */

const HEADINGS = 48;
const EDGE_PX = 1;
const FULL_TURN = 2 * Math.PI;

/** Signs that are drawn once and copied thousands of times: to trace each outline anew is too much for one frame. */
export class Sprites {
  /** @type {Map<string, HTMLCanvasElement>} */
  #drawn = new Map();
  #radius = 0;
  #ratio = 0;

  /**
   * @param {number} radius pixels
   * @param {number} ratio device pixels in each
   */
  use(radius, ratio) {
    if (radius !== this.#radius || ratio !== this.#ratio) {
      this.#radius = radius;
      this.#ratio = ratio;
      this.#drawn.clear();
    }
  }

  /** After the colours have changed. */
  forget() {
    this.#drawn.clear();
  }

  /**
   * @param {Kind} kind
   * @param {number} heading degrees
   * @param {(name: string) => string} colourOf
   */
  of(kind, heading, colourOf) {
    const step = kind === "departed" ? Math.round((heading / 360) * HEADINGS) % HEADINGS : 0;
    const key = `${kind} ${step}`;
    const drawn = this.#drawn.get(key) ?? this.#draw(kind, (step / HEADINGS) * FULL_TURN, colourOf);
    this.#drawn.set(key, drawn);
    return drawn;
  }

  /**
   * @param {Kind} kind
   * @param {number} turn radians
   * @param {(name: string) => string} colourOf
   */
  #draw(kind, turn, colourOf) {
    const side = Math.ceil((this.#radius * 1.5 + EDGE_PX) * this.#ratio) * 2;
    const canvas = Object.assign(document.createElement("canvas"), { width: side, height: side });
    const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
    context.translate(side / 2, side / 2);
    context.rotate(turn);
    const scale = this.#radius * this.#ratio;
    for (const [x, y] of OUTLINES[kind]) {
      context.lineTo(x * scale, y * scale);
    }
    context.closePath();
    context.lineJoin = "round";
    context.lineWidth = 2 * EDGE_PX * this.#ratio;
    context.strokeStyle = colourOf("--surface");
    context.fillStyle = colourOf(`--${kind}`);
    context.stroke();
    context.fill();
    return canvas;
  }
}
