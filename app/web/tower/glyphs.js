// @ts-check

/** @import { State } from "./shapes.js" */
/** @typedef {"idle" | "waiting" | "departed" | "delayed" | "arrived" | "delivered" | "exception" | "alerted"} Kind */
/** @typedef {readonly (readonly [number, number])[]} Outline */

const SVG = "http://www.w3.org/2000/svg";

/** Told apart without their colours, too; about two units wide, the arrow flies north. @type {Record<Kind, Outline>} */
export const OUTLINES = {
  idle: ring(0.55),
  waiting: ring(0.9),
  alerted: ring(1.15),
  departed: polygon("0 -1.3 0.9 1 0 0.5 -0.9 1"),
  delayed: polygon("0 -1.25 1.25 0 0 1.25 -1.25 0"),
  arrived: polygon("-0.85 -0.85 0.85 -0.85 0.85 0.85 -0.85 0.85"),
  delivered: polygon("-1.1 0.05 -0.6 -0.45 -0.2 -0.05 0.7 -0.95 1.2 -0.45 -0.2 0.95"),
  exception: polygon(
    "-1.1 -0.6 -0.6 -1.1 0 -0.5 0.6 -1.1 1.1 -0.6 0.5 0 1.1 0.6 0.6 1.1 0 0.5 -0.6 1.1 -1.1 0.6 -0.5 0",
  ),
};

/** @param {State | undefined} state of what is on a vehicle, if anything is */
export function kindOf(state) {
  switch (state) {
    case undefined:
      return "idle";
    case "created":
    case "picked":
    case "loaded":
      return "waiting";
    default:
      return state;
  }
}

/** @param {Kind} kind */
export function glyph(kind) {
  const picture = svg("svg", { viewBox: "-1.5 -1.5 3 3", class: "glyph", "data-kind": kind, "aria-hidden": "true" });
  picture.append(svg("path", { d: pathOf(OUTLINES[kind]) }));
  return picture;
}

/** @param {Iterable<readonly [number, number]>} points */
export function lineThrough(points) {
  return [...points].map(([x, y], index) => `${index === 0 ? "M" : "L"}${x} ${y}`).join("");
}

/**
 * @template {keyof SVGElementTagNameMap} Tag
 * @param {Tag} tag
 * @param {Record<string, string | number>} attributes
 * @param {string} [text] shown as it is
 */
export function svg(tag, attributes, text) {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) {
    element.setAttribute(name, String(value));
  }
  if (text !== undefined) {
    element.textContent = text;
  }
  return element;
}

/** @param {Outline} outline */
function pathOf(outline) {
  return `${lineThrough(outline)}Z`;
}

/** @param {string} numbers x and y in turn */
function polygon(numbers) {
  const values = numbers.split(" ").map(Number);
  return Array.from(
    { length: values.length / 2 },
    (_, place) => /** @type {const} */ ([values[2 * place], values[2 * place + 1]]),
  );
}

/** @param {number} radius */
function ring(radius) {
  return Array.from({ length: 10 }, (_, step) => {
    const angle = (step / 5) * Math.PI;
    return /** @type {const} */ ([radius * Math.cos(angle), radius * Math.sin(angle)]);
  });
}
