// @ts-check
/** @import { Rates, Series } from "./protocol.js" */
import { oncePerFrame, setText } from "./dom.js";
import { SERIES } from "./protocol.js";
import { count } from "./words.js";

const SPAN_MS = 120_000;
const WIDTH = 480;
const HEIGHT = 48;
const SVG = "http://www.w3.org/2000/svg";

/** What went through the service in the last two minutes, a line for each kind. */
export class Chart {
  /** @type {Rates[]} oldest first */
  #rates = [];
  /** @type {Map<Series, SVGPathElement>} */
  #lines = new Map();
  /** @type {Map<Series, Element>} */
  #values = new Map();
  #draw = oncePerFrame(() => this.#redraw());

  /**
   * @param {HTMLElement} figure holds an `output` for each series, named by `data-series`
   * @param {HTMLElement} peak
   */
  constructor(figure, peak) {
    this.peak = peak;
    this.picture = document.createElementNS(SVG, "svg");
    this.picture.setAttribute("viewBox", `0 0 ${WIDTH} ${HEIGHT}`);
    this.picture.setAttribute("preserveAspectRatio", "none");
    this.picture.setAttribute("role", "img");
    this.picture.setAttribute("aria-label", "Traffic of the last two minutes");
    for (const name of SERIES) {
      const line = document.createElementNS(SVG, "path");
      line.setAttribute("class", `series ${name}`);
      this.picture.append(line);
      this.#lines.set(name, line);
      const value = figure.querySelector(`[data-series=${name}]`);
      if (value) {
        this.#values.set(name, value);
      }
    }
    figure.prepend(this.picture);
  }

  /** @param {Rates} rates */
  add(rates) {
    this.#rates.push(rates);
    while (this.#rates[0].at < rates.at - SPAN_MS || this.#rates[0].at > rates.at) {
      this.#rates.shift(); // too old, or of a clock that was put back
    }
    this.#draw();
  }

  #redraw() {
    const last = this.#rates[this.#rates.length - 1];
    const top = Math.max(5, ...this.#rates.flatMap((one) => SERIES.map((name) => one[name] ?? 0)));
    for (const name of SERIES) {
      const points = this.#rates.map((one) => {
        const x = WIDTH - ((last.at - one.at) / SPAN_MS) * WIDTH;
        const y = HEIGHT - 2 - ((one[name] ?? 0) / top) * (HEIGHT - 4);
        return `${x.toFixed(1)},${y.toFixed(1)}`;
      });
      this.#lines.get(name)?.setAttribute("d", `M${points.join("L")}`);
      const value = this.#values.get(name);
      if (value) {
        setText(value, count(last[name] ?? 0));
      }
    }
    setText(this.peak, `${count(top)}/s`);
  }
}
