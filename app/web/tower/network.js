// @ts-check
import { project } from "./viewport.js";

/** @import { Desk } from "./desk.js" */
/** @import { Point } from "./viewport.js" */
/** @import { Shipment } from "./shapes.js" */
/** @import { Detail } from "./wire.js" */

const MOST_WAYS = 300;

/**
 * Where everybody is and how one drives there. A list of shipments does not say: of each way one shipment's planned
 * route is asked for, one at a time.
 *
 * Events: `change`.
 */
export class Network extends EventTarget {
  /** @type {Map<string, Point>} by party */
  places = new Map();
  /** @type {Map<string, [Point, Point]>} each piece of road once */
  roads = new Map();
  /** @type {Map<string, [number, number][]>} latitude, longitude, by way */
  routes = new Map();
  /** @type {Set<string>} */
  #asked = new Set();
  #isAsking = false;

  /** @param {Desk} desk */
  constructor(desk) {
    super();
    this.desk = desk;
  }

  /** @param {Detail} detail */
  learn({ shipment, route }) {
    const [first, last] = [route[0], route.at(-1)];
    if (first === undefined || last === undefined) {
      return;
    }
    const way = wayKey(shipment);
    this.#asked.add(way);
    if (this.routes.has(way)) {
      return;
    }
    this.routes.set(way, route);
    this.places.set(shipment.origin, project(...first));
    this.places.set(shipment.destination, project(...last));
    const points = route.map((place) => project(...place));
    for (const [index, point] of points.slice(1).entries()) {
      const ends = [points[index], point].sort(([one], [other]) => one - other);
      this.roads.set(String(ends), [ends[0], ends[1]]);
    }
    this.dispatchEvent(new CustomEvent("change"));
  }

  /** Asks on, as long as there is something unknown. */
  async explore() {
    const unknown = this.#isAsking || !this.desk.isConnected ? undefined : this.#firstUnknown();
    if (unknown === undefined) {
      return;
    }
    this.#isAsking = true;
    const way = wayKey(unknown);
    this.#asked.add(way);
    try {
      const answer = await this.desk.ask("shipment", { shipment: unknown.id });
      if (answer.type === "detail") {
        this.learn(answer);
      }
    } catch {
      // Another shipment of this way may know better, after the next connection.
    }
    this.#isAsking = false;
    this.explore();
  }

  /** Asks once more for what had no answer. */
  retry() {
    this.#asked = new Set(this.routes.keys());
    this.explore();
  }

  #firstUnknown() {
    if (this.#asked.size >= MOST_WAYS) {
      return undefined;
    }
    for (const shipment of this.desk.board.shipments.values()) {
      if (!this.#asked.has(wayKey(shipment))) {
        return shipment;
      }
    }
    return undefined;
  }
}

/** @param {Pick<Shipment, "origin" | "destination">} shipment */
export function wayKey({ origin, destination }) {
  return `${origin}>${destination}`;
}
