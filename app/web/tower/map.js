// @ts-check
import { make, part } from "../chat/elements.js";
import { NetworkLayer } from "./network-layer.js";
import { nameOf, partyWords, roleOf } from "./rules.js";
import { VehiclesLayer } from "./vehicles-layer.js";
import { boxAround, project, Viewport } from "./viewport.js";
import { behind, behindWords, durationWords, wayOf } from "./words.js";

/** @import { Desk } from "./desk.js" */
/** @import { Vehicle } from "./fleet.js" */
/** @import { Network } from "./network.js" */
/** @import { Box } from "./viewport.js" */
/** @import { Shipment } from "./shapes.js" */

const FIT_MARGIN_PX = 48;
const STEP_ZOOM = 1.5;
const TIP_GAP_PX = 14;
const LONGEST_SCALE_BAR_PX = 110;
const NOTHING_YET = { left: 0, top: -67, right: 22, bottom: -49 };

const picture = /** @type {SVGSVGElement} */ (/** @type {unknown} */ (document.getElementById("map-network")));
const surface = part("map", HTMLElement);
const tip = part("map-tip", HTMLElement);
const said = part("map-said", HTMLElement);
const empty = part("map-empty", HTMLElement);
const scaleBar = part("map-scale", HTMLElement);

/** The live map: a picture of what stands still below a canvas of what moves. */
export class LiveMap {
  viewport = new Viewport();
  #network = new NetworkLayer(picture, this.viewport);
  #vehicles = new VehiclesLayer(part("map-vehicles", HTMLCanvasElement), this.viewport);
  /** @type {Desk | null} */
  #desk = null;
  /** @type {Shipment | null} */
  #selected = null;
  /** What the pointer or the keyboard is at: a vehicle, or a party. @type {Vehicle | string | null} */
  #pointed = null;
  #isDrawing = false;
  /** Until somebody moves it, the map shows all there is. */
  #isFitted = true;
  /** @type {Box | null} */
  #fitted = null;
  /** @type {Network | null} */
  #ways = null;

  /** @param {{ select: (shipment: string) => void, search: (text: string) => void }} deeds */
  constructor({ select, search }) {
    this.select = select;
    this.search = search;
    new ResizeObserver(() => this.#resize()).observe(surface);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
      this.#vehicles.readColours();
      this.#drawSoon();
    });
    for (const [id, factor] of /** @type {const} */ ([
      ["zoom-in", STEP_ZOOM],
      ["zoom-out", 1 / STEP_ZOOM],
    ])) {
      part(id, HTMLButtonElement).addEventListener("click", () => this.zoom(factor));
    }
    part("zoom-fit", HTMLButtonElement).addEventListener("click", () => this.fit());
  }

  /** @param {Desk | null} desk whose world is shown */
  open(desk) {
    this.#desk = desk;
    this.#isFitted = true;
    this.#pointed = null;
    this.#selected = null;
    this.#ways = null;
    this.#network.showWay([], []);
  }

  /** After vehicles, shipments or alerts have changed. */
  refresh() {
    if (this.#desk) {
      this.#vehicles.refresh(this.#desk.board, { hasIdle: roleOf(this.#desk.me) === "tower" });
      empty.hidden = this.#vehicles.marks.length > 0;
      this.#showTip();
      this.#fitAsItGrows();
      this.#drawSoon();
    }
  }

  /** @param {Network} network */
  showNetwork(network) {
    this.#ways = network;
    this.#network.show(network);
    this.#fitAsItGrows();
  }

  /**
   * @param {Shipment | null} shipment
   * @param {[number, number][]} route
   * @param {[number, number][]} track
   */
  showSelected(shipment, route = [], track = []) {
    this.#selected = shipment;
    this.#network.showWay(route, track);
    this.#drawSoon();
  }

  /**
   * @param {number} right pixels
   * @param {number} down
   */
  pan(right, down) {
    this.#isFitted = false;
    this.viewport.pan(right, down);
    this.#viewChanged();
  }

  /**
   * @param {number} factor
   * @param {[number, number]} [place] of the screen, which stays where it is
   */
  zoom(factor, place) {
    this.#isFitted = false;
    this.viewport.zoom(factor, place);
    this.#viewChanged();
  }

  fit() {
    this.#isFitted = true;
    this.#fitted = this.#boxOfAll();
    this.viewport.fit(this.#fitted ?? NOTHING_YET, FIT_MARGIN_PX);
    this.#viewChanged();
  }

  /**
   * @param {number} x of the screen
   * @param {number} y
   * @param {number} reach pixels
   */
  pointAt(x, y, reach) {
    this.#pointed = this.#vehicles.near(x, y, reach) ?? this.#network.near(x, y, reach);
    surface.dataset.pointed = String(this.#pointed !== null);
    this.#showTip();
  }

  pointAway() {
    this.#pointed = null;
    surface.dataset.pointed = "false";
    this.#showTip();
  }

  /** Selects what is pointed at. */
  choose() {
    if (typeof this.#pointed === "string") {
      this.search(nameOf(this.#pointed));
    } else if (this.#pointed) {
      const load = this.#desk?.board.loadOf(this.#pointed.name);
      if (load) {
        this.select(load.id);
      }
    }
  }

  /**
   * From vehicle to vehicle, west to east; each is told to who cannot see it.
   *
   * @param {1 | -1} direction
   */
  walk(direction) {
    const vehicles = this.#vehicles.marks.map(({ vehicle }) => vehicle).sort((one, other) => one.x - other.x);
    const [first] = vehicles;
    if (first === undefined) {
      said.textContent = "There are no vehicles.";
      return;
    }
    const at = typeof this.#pointed === "string" || this.#pointed === null ? -1 : vehicles.indexOf(this.#pointed);
    const next = vehicles[(Math.max(at, direction === 1 ? -1 : 0) + direction + vehicles.length) % vehicles.length];
    this.#pointed = next;
    const [x, y] = [this.viewport.screenX(next.x), this.viewport.screenY(next.y)];
    if (x < 0 || y < 0 || x > this.viewport.width || y > this.viewport.height) {
      this.pan(x - this.viewport.width / 2, y - this.viewport.height / 2);
    }
    this.#showTip();
    said.textContent = tip.innerText;
  }

  #resize() {
    const { width, height } = surface.getBoundingClientRect();
    if (width > 0 && height > 0) {
      Object.assign(this.viewport, { width, height });
      this.#vehicles.resize();
      if (this.#isFitted) {
        this.fit();
      } else {
        this.#viewChanged();
      }
    }
  }

  #fitAsItGrows() {
    const box = this.#isFitted ? this.#boxOfAll() : null;
    const fitted = this.#fitted;
    // A vehicle that goes a little further does not make the whole map tremble.
    const slack = fitted ? (fitted.right - fitted.left) / 12 : 0;
    const isInside =
      fitted &&
      box &&
      box.left > fitted.left - slack &&
      box.right < fitted.right + slack &&
      box.top > fitted.top - slack &&
      box.bottom < fitted.bottom + slack;
    if (box && !isInside) {
      this.fit();
    }
  }

  #boxOfAll() {
    const places = [...(this.#ways?.places.values() ?? [])];
    if (places.length > 1) {
      return boxAround(places);
    }
    const vehicles = this.#vehicles.marks.map(({ vehicle }) => project(vehicle.row.lat, vehicle.row.lon));
    return boxAround([...places, ...vehicles]);
  }

  #viewChanged() {
    this.#network.place();
    const kilometres = roundBelow(this.viewport.kilometresPerPixel * LONGEST_SCALE_BAR_PX);
    scaleBar.style.width = `${kilometres / this.viewport.kilometresPerPixel}px`;
    scaleBar.textContent = kilometres < 1 ? `${kilometres * 1000} m` : `${kilometres} km`;
    this.#drawSoon();
  }

  #drawSoon() {
    if (!this.#isDrawing) {
      this.#isDrawing = true;
      requestAnimationFrame((now) => {
        this.#isDrawing = false;
        const vehicle = this.#desk?.board.vehicles.get(nameOf(this.#selected?.vehicle ?? ""));
        if (this.#vehicles.draw(now, vehicle ?? null)) {
          this.#drawSoon();
        }
        this.#placeTip();
      });
    }
  }

  #showTip() {
    const pointed = this.#pointed;
    tip.hidden = pointed === null;
    if (pointed !== null) {
      const lines = typeof pointed === "string" ? this.#wordsOfPlace(pointed) : this.#wordsOfVehicle(pointed);
      tip.replaceChildren(...lines.map((line, index) => make("span", index === 0 ? "tip-name" : "tip-line", line)));
      this.#placeTip();
    }
  }

  #placeTip() {
    const pointed = this.#pointed;
    const place = typeof pointed === "string" ? this.#ways?.places.get(pointed) : pointed && [pointed.x, pointed.y];
    if (place) {
      const [x, y] = [this.viewport.screenX(place[0]), this.viewport.screenY(place[1])];
      const isRight = x > this.viewport.width / 2;
      const isLow = y > this.viewport.height / 2;
      const across = isRight ? `calc(${x - TIP_GAP_PX}px - 100%)` : `${x + TIP_GAP_PX}px`;
      tip.style.translate = `${across} ${isLow ? `calc(${y}px - 100%)` : `${y}px`}`;
    }
  }

  /** @param {string} party */
  #wordsOfPlace(party) {
    const shipments = [...(this.#desk?.board.shipments.values() ?? [])].filter(({ state }) => state !== "delivered");
    const leaving = shipments.filter(({ origin, departedAt }) => origin === party && departedAt === null).length;
    const coming = shipments.filter(({ destination }) => destination === party).length;
    return [partyWords(party), `${leaving} to leave, ${coming} to come`];
  }

  /** @param {Vehicle} vehicle */
  #wordsOfVehicle({ name, row }) {
    const board = this.#desk?.board;
    const load = board?.loadOf(name);
    const now = board?.now ?? 0;
    const figures = [
      row.speed === null ? "" : `${Math.round(row.speed)} km/h`,
      row.temperature === null ? "" : `${row.temperature.toFixed(1)} °C`,
      `${durationWords(now - row.at)} ago`,
    ];
    return [
      load ? `${name}, ${load.state}` : `${name}, without a load`,
      ...(load ? [`${load.id}: ${wayOf(load)}`, behindWords(behind(load, now))] : []),
      figures.filter((figure) => figure !== "").join(", "),
    ];
  }
}

/** @param {number} kilometres */
function roundBelow(kilometres) {
  const power = 10 ** Math.floor(Math.log10(kilometres));
  return ([5, 2, 1].find((digit) => digit * power <= kilometres) ?? 1) * power;
}
