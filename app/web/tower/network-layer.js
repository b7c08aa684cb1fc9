// @ts-check
import { lineThrough, svg } from "./glyphs.js";
import { nameOf, roleOf } from "./rules.js";
import { latitudeAt, project } from "./viewport.js";

/** @import { Network } from "./network.js" */
/** @import { Point, Viewport } from "./viewport.js" */

const MESHES = [0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 30];
const SMALLEST_MESH_PX = 80;
const LETTER_PX = 6.6;
const LABEL_HEIGHT_PX = 15;
const HOUSE = "M-5 5V-1L0 -5.5L5 -1V5Z";

/** What does not move: meridians, roads, the way of the selected shipment, and who lives where. */
export class NetworkLayer {
  #mesh = svg("g", { class: "mesh" });
  #ways = svg("g", {});
  #roads = svg("path", { class: "roads", "vector-effect": "non-scaling-stroke" });
  #planned = svg("path", { class: "planned", "vector-effect": "non-scaling-stroke" });
  #track = svg("path", { class: "track", "vector-effect": "non-scaling-stroke" });
  #places = svg("g", { class: "places" });
  /** @type {{ party: string, point: Point, element: SVGGElement, label: SVGTextElement }[]} */
  #shown = [];

  /**
   * @param {SVGSVGElement} picture
   * @param {Viewport} viewport
   */
  constructor(picture, viewport) {
    this.viewport = viewport;
    this.#ways.append(this.#roads, this.#planned, this.#track);
    picture.replaceChildren(this.#mesh, this.#ways, this.#places);
  }

  /** @param {Network} network */
  show(network) {
    this.#roads.setAttribute("d", [...network.roads.values()].map(lineThrough).join(""));
    this.#shown = [...network.places].map(([party, point]) => {
      const element = svg("g", { class: "place" });
      const label = svg("text", { x: 9, y: 4 }, nameOf(party));
      const sign = roleOf(party) === "warehouse" ? svg("path", { d: HOUSE }) : svg("circle", { r: 3.5 });
      element.append(sign, label);
      return { party, point, element, label };
    });
    this.#places.replaceChildren(...this.#shown.map(({ element }) => element));
    this.place();
  }

  /**
   * @param {[number, number][]} route latitude, longitude
   * @param {[number, number][]} track
   */
  showWay(route, track) {
    this.#planned.setAttribute("d", lineThrough(route.map((place) => project(...place))));
    this.#track.setAttribute("d", lineThrough(track.map((place) => project(...place))));
  }

  /** After the viewport has changed. */
  place() {
    const { viewport } = this;
    const { scale } = viewport;
    this.#ways.setAttribute("transform", `translate(${viewport.screenX(0)} ${viewport.screenY(0)}) scale(${scale})`);
    /** @type {Point[]} */
    const taken = [];
    for (const { point, element, label } of this.#shown) {
      const [x, y] = [viewport.screenX(point[0]), viewport.screenY(point[1])];
      element.setAttribute("transform", `translate(${x.toFixed(1)} ${y.toFixed(1)})`);
      const width = (label.textContent ?? "").length * LETTER_PX + 14;
      const isAtEdge = x + width > viewport.width;
      label.setAttribute("x", isAtEdge ? "-9" : "9");
      label.setAttribute("text-anchor", isAtEdge ? "end" : "start");
      const isFree = taken.every(([left, top]) => Math.abs(left - x) > width || Math.abs(top - y) > LABEL_HEIGHT_PX);
      label.setAttribute("display", isFree ? "inline" : "none");
      if (isFree) {
        taken.push([x, y]);
      }
    }
    this.#drawMesh();
  }

  /**
   * @param {number} x of the screen
   * @param {number} y
   * @param {number} reach pixels
   * @returns {string | null} a party
   */
  near(x, y, reach) {
    const found = this.#shown.find(
      ({ point }) => Math.hypot(this.viewport.screenX(point[0]) - x, this.viewport.screenY(point[1]) - y) <= reach,
    );
    return found?.party ?? null;
  }

  #drawMesh() {
    const { viewport } = this;
    const { left, right, top, bottom } = viewport.box;
    const mesh = MESHES.find((degrees) => degrees * viewport.scale >= SMALLEST_MESH_PX) ?? 30;
    const lines = [];
    for (let lon = Math.ceil(left / mesh) * mesh; lon <= right; lon += mesh) {
      const x = viewport.screenX(lon).toFixed(1);
      lines.push(svg("path", { d: `M${x} 0V${viewport.height}` }));
      lines.push(svg("text", { x: Number(x) + 4, y: viewport.height - 6 }, degreesWords(lon, mesh, "E", "W")));
    }
    const [south, north] = [latitudeAt(bottom), latitudeAt(top)];
    for (let lat = Math.ceil(south / mesh) * mesh; lat <= north; lat += mesh) {
      const y = viewport.screenY(project(lat, 0)[1]).toFixed(1);
      lines.push(svg("path", { d: `M0 ${y}H${viewport.width}` }));
      lines.push(svg("text", { x: 6, y: Number(y) - 4 }, degreesWords(lat, mesh, "N", "S")));
    }
    this.#mesh.replaceChildren(...lines);
  }
}

/**
 * @param {number} degrees
 * @param {number} mesh
 * @param {string} ahead
 * @param {string} back
 */
function degreesWords(degrees, mesh, ahead, back) {
  const digits = mesh < 0.1 ? 2 : mesh < 1 ? 1 : 0;
  const figure = Math.abs(degrees).toFixed(digits);
  return Number(figure) === 0 ? "0°" : `${figure}° ${degrees > 0 ? ahead : back}`;
}
