// @ts-check
import { counted, make, part } from "../chat/elements.js";
import { svg } from "./glyphs.js";
import { clockTime } from "./words.js";

/** @import { Charts } from "./shapes.js" */

const MINUTE = 60;
const HOUR = 3_600;
const MINUTES_SHOWN = 60;
const HOURS_SHOWN = 48;
const MARGIN = { left: 30, right: 10, top: 20, bottom: 34 };
const GAP = 0.2;
const TICKS = 3;

/** @typedef {{ label: string, tick: string, value: number, tone: string }} Bar */
/** @typedef {{ unit: string, axis: string, bars: Bar[], between: boolean }} Chart `between`: ticks are edges of bars */

const throughput = part("chart-throughput", HTMLElement);
const lateness = part("chart-lateness", HTMLElement);
const span = part("chart-span", HTMLSelectElement);
const throughputWords = part("throughput-words", HTMLElement);
const latenessWords = part("lateness-words", HTMLElement);
const throughputTable = part("throughput-table", HTMLTableElement);
const latenessTable = part("lateness-table", HTMLTableElement);

/** How much is delivered, and how late: two bar charts with their figures in words and as tables. */
export class ChartsView {
  /** @type {Charts | null} */
  #charts = null;
  #now = 0;

  constructor() {
    span.addEventListener("change", () => this.#draw());
    new ResizeObserver(() => this.#draw()).observe(throughput);
  }

  /**
   * @param {Charts | null} charts
   * @param {number} now Unix seconds
   */
  show(charts, now) {
    this.#charts = charts;
    this.#now = now;
    this.#draw();
  }

  #draw() {
    const charts = this.#charts ?? { delivered: 0, late: 0, perMinute: [], perHour: [], lateness: [] };
    const isMinutes = span.value === "minutes";
    const over = throughputChart(charts, this.#now, isMinutes);
    const total = over.bars.reduce((sum, { value }) => sum + value, 0);
    const busiest = over.bars.reduce((best, bar) => (bar.value > best.value ? bar : best), over.bars[0]);
    throughputWords.textContent =
      total === 0
        ? `Nothing was delivered in the last ${isMinutes ? "60 minutes" : "48 hours"}.`
        : `${counted(total, "delivery", "deliveries")}; most, ${busiest.value}, at ${busiest.label}.`;
    drawChart(throughput, over, `Deliveries per ${isMinutes ? "minute" : "hour"}. ${throughputWords.textContent}`);
    fillTable(
      throughputTable,
      [isMinutes ? "Minute" : "Hour", "Deliveries"],
      over.bars.filter(({ value }) => value > 0),
    );
    const spread = latenessChart(charts);
    const delivered = counted(charts.delivered, "delivery", "deliveries");
    latenessWords.textContent = `Late by their own limit: ${charts.late} of ${delivered}.`;
    drawChart(lateness, spread, `Deliveries by minutes behind the plan. ${latenessWords.textContent}`);
    fillTable(latenessTable, ["Behind the plan", "Deliveries"], spread.bars);
  }
}

/**
 * @param {Charts} charts
 * @param {number} now
 * @param {boolean} isMinutes
 * @returns {Chart}
 */
function throughputChart({ perMinute, perHour }, now, isMinutes) {
  const [step, shown, pairs] = isMinutes ? [MINUTE, MINUTES_SHOWN, perMinute] : [HOUR, HOURS_SHOWN, perHour];
  const counts = new Map(pairs);
  const last = Math.floor(now / step) * step;
  const every = isMinutes ? 15 * MINUTE : 12 * HOUR;
  const bars = Array.from({ length: shown }, (_, place) => {
    const at = last - (shown - 1 - place) * step;
    const local = at - new Date(at * 1000).getTimezoneOffset() * MINUTE;
    return {
      label: clockTime(at),
      tick: local % every === 0 ? clockTime(at) : "",
      value: counts.get(at) ?? 0,
      tone: "plain",
    };
  });
  return { unit: isMinutes ? "per minute" : "per hour", axis: "time of day", bars, between: false };
}

/**
 * @param {Charts} charts
 * @returns {Chart}
 */
function latenessChart({ lateness: spread }) {
  const bars = spread.map(([from, to, value]) => ({
    label: rangeWords(from, to),
    tick: to === null ? "" : String(Math.round(to / MINUTE)).replace("-", "−"),
    value,
    tone: from !== null && from >= 0 ? (from >= 900 ? "late" : "behind") : "plain",
  }));
  return { unit: "deliveries", axis: "minutes behind the plan", bars, between: true };
}

/**
 * @param {number | null} from seconds
 * @param {number | null} to
 */
function rangeWords(from, to) {
  const [first, last] = [from, to].map((one) => (one === null ? null : Math.abs(Math.round(one / MINUTE))));
  if (from === null) {
    return `more than ${last} min early`;
  }
  if (to === null) {
    return `${first} min late or more`;
  }
  return from < 0 ? `${last} to ${first} min early` : `${first} to ${last} min late`;
}

/**
 * @param {HTMLElement} place
 * @param {Chart} chart
 * @param {string} words
 */
function drawChart(place, { unit, axis, bars, between }, words) {
  const { width, height } = place.getBoundingClientRect();
  if (width === 0 || height === 0) {
    return;
  }
  const picture = svg("svg", { width, height, viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": words });
  const [right, bottom] = [width - MARGIN.right, height - MARGIN.bottom];
  const step = niceStep(Math.max(1, ...bars.map(({ value }) => value)) / TICKS);
  const top = step * Math.ceil(Math.max(1, ...bars.map(({ value }) => value)) / step);
  const yOf = (/** @type {number} */ value) => bottom - ((bottom - MARGIN.top) * value) / top;
  for (let value = 0; value <= top; value += step) {
    const y = yOf(value).toFixed(1);
    picture.append(svg("path", { class: value === 0 ? "axis" : "rule", d: `M${MARGIN.left} ${y}H${right}` }));
    picture.append(svg("text", { class: "tick end", x: MARGIN.left - 6, y: Number(y) + 4 }, String(value)));
  }
  const wide = (right - MARGIN.left) / Math.max(bars.length, 1);
  for (const [index, { label, tick, value, tone }] of bars.entries()) {
    const x = MARGIN.left + index * wide;
    if (value > 0) {
      const y = yOf(value);
      const attributes = {
        class: `bar-${tone}`,
        x: x + (wide * GAP) / 2,
        y,
        width: wide * (1 - GAP),
        height: bottom - y,
      };
      const bar = svg("rect", attributes);
      bar.append(svg("title", {}, `${label}: ${value}`));
      picture.append(bar);
    }
    if (tick !== "") {
      picture.append(svg("text", { class: "tick middle", x: x + wide * (between ? 1 : 0.5), y: bottom + 14 }, tick));
    }
  }
  picture.append(svg("text", { class: "unit", x: 0, y: 9 }, unit));
  picture.append(svg("text", { class: "unit end", x: right, y: height - 4 }, axis));
  place.replaceChildren(picture);
}

/** @param {number} least */
function niceStep(least) {
  const power = 10 ** Math.floor(Math.log10(Math.max(least, 1)));
  return Math.max(1, ([1, 2, 5, 10].find((digit) => digit * power >= least) ?? 10) * power);
}

/**
 * @param {HTMLTableElement} table
 * @param {[string, string]} heads
 * @param {Bar[]} bars
 */
function fillTable(table, heads, bars) {
  const head = make("tr", "");
  head.append(...heads.map((text) => Object.assign(make("th", "", text), { scope: "col" })));
  const rows = bars.map(({ label, value }) => {
    const row = make("tr", "");
    row.append(Object.assign(make("th", "", label), { scope: "row" }), make("td", "", String(value)));
    return row;
  });
  table.replaceChildren(head, ...rows);
}
