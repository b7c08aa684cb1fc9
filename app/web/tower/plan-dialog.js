// @ts-check
import { part } from "../chat/elements.js";
import { Errand } from "./forms.js";
import { latitudeAt } from "./viewport.js";
import { wayKey } from "./network.js";
import { PARTY_NAME, roleOf } from "./rules.js";

/** @import { Desk } from "./desk.js" */
/** @import { Network } from "./network.js" */

const HOUR_MS = 3_600_000;
const MINUTE_MS = 60_000;

const dialog = part("plan", HTMLDialogElement);
const form = part("plan-form", HTMLFormElement);
const note = part("plan-note", HTMLElement);
const send = part("plan-send", HTMLButtonElement);

/** A new shipment: its parties, its plan and the way it shall take. */
export class PlanDialog {
  /** @type {Desk | null} */
  #desk = null;
  /** @type {Network | null} */
  #network = null;
  #errand = new Errand();

  /** @param {{ planned: (shipment: string) => void }} deeds */
  constructor({ planned }) {
    part("plan-cancel", HTMLButtonElement).addEventListener("click", () => dialog.close());
    for (const name of ["origin", "destination"]) {
      this.#field(name).addEventListener("change", () => this.#fillPlace(name));
    }
    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      const id = await this.#plan();
      if (id !== "") {
        dialog.close();
        planned(id);
      }
    });
  }

  /**
   * @param {Desk} desk
   * @param {Network} network
   */
  open(desk, network) {
    this.#desk = desk;
    this.#network = network;
    form.reset();
    note.textContent = "";
    const isWarehouse = roleOf(desk.me) === "warehouse";
    this.#field("shipment").value = `S-${Date.now().toString(36).toUpperCase()}`;
    this.#field("origin").value = isWarehouse ? desk.me : "";
    this.#field("origin").readOnly = isWarehouse;
    this.#field("departAt").value = localMinute(Date.now() + HOUR_MS / 2);
    this.#field("arriveAt").value = localMinute(Date.now() + 4 * HOUR_MS);
    this.#fillPlace("origin");
    dialog.showModal();
  }

  /** @returns {Promise<string>} the shipment's id; empty when there is none */
  async #plan() {
    const mistake = this.#mistake();
    note.textContent = mistake;
    if (mistake !== "" || !this.#desk) {
      return "";
    }
    const shipment = this.#text("shipment");
    send.disabled = true;
    note.textContent = await this.#errand.run(this.#desk, "created", this.#data(shipment));
    send.disabled = false;
    return note.textContent === "" ? shipment : "";
  }

  /** @param {string} shipment */
  #data(shipment) {
    const [origin, destination] = [this.#text("origin"), this.#text("destination")];
    const known = this.#network?.routes.get(wayKey({ origin, destination }));
    const straight = ["origin", "destination"].map((name) => placeIn(this.#text(`${name}Place`)));
    const [min, max] = [this.#text("coldMin"), this.#text("coldMax")];
    return {
      shipment,
      origin,
      destination,
      transporter: this.#text("transporter"),
      goods: this.#text("goods"),
      departAt: new Date(this.#text("departAt")).getTime() / 1000,
      arriveAt: new Date(this.#text("arriveAt")).getTime() / 1000,
      route: known ?? straight,
      ...(this.#text("customer") === "" ? {} : { customer: this.#text("customer") }),
      ...(min === "" && max === "" ? {} : { cold: { min: Number(min), max: Number(max) } }),
    };
  }

  #mistake() {
    const parties = /** @type {const} */ ([
      ["origin", /^warehouse:/, "Where does it start? For example: warehouse:Berlin."],
      ["destination", /^(warehouse|customer):/, "Where does it go? For example: warehouse:Paris or customer:C7."],
      ["transporter", /^transporter:/, "Who carries it? For example: transporter:T1."],
      ["customer", /^(customer:|$)/, "A customer looks like this: customer:C7."],
    ]);
    for (const [name, role, words] of parties) {
      const party = this.#text(name);
      if (!role.test(party) || (party !== "" && !PARTY_NAME.test(party.slice(party.indexOf(":") + 1)))) {
        return words;
      }
    }
    if (!PARTY_NAME.test(this.#text("shipment"))) {
      return "A shipment is called by letters, digits, dots, _ and -.";
    }
    if (this.#text("goods") === "") {
      return "What is it?";
    }
    for (const name of ["origin", "destination"]) {
      if (placeIn(this.#text(`${name}Place`)) === null) {
        return `Where is the ${name}? Latitude and longitude, for example: 52.52, 13.41.`;
      }
    }
    if ((this.#text("coldMin") === "") !== (this.#text("coldMax") === "")) {
      return "Of the temperatures give both or none.";
    }
    return this.#text("departAt") !== "" && this.#text("departAt") < this.#text("arriveAt")
      ? ""
      : "It has to arrive after it departs.";
  }

  /** @param {string} name */
  #fillPlace(name) {
    const place = this.#network?.places.get(this.#text(name));
    if (place) {
      this.#field(`${name}Place`).value = `${latitudeAt(place[1]).toFixed(4)}, ${place[0].toFixed(4)}`;
    }
  }

  /** @param {string} name */
  #text(name) {
    return this.#field(name).value.trim();
  }

  /** @param {string} name */
  #field(name) {
    return /** @type {HTMLInputElement} */ (form.elements.namedItem(name));
  }
}

/**
 * @param {string} text
 * @returns {[number, number] | null} latitude and longitude
 */
function placeIn(text) {
  const [lat, lon, ...more] = text.split(/[\s,]+/).map(Number);
  const isPlace = more.length === 0 && Math.abs(lat) <= 90 && Math.abs(lon) <= 180;
  return isPlace ? [lat, lon] : null;
}

/** @param {number} at Unix milliseconds */
function localMinute(at) {
  const local = new Date(at - new Date(at).getTimezoneOffset() * MINUTE_MS);
  return local.toISOString().slice(0, "2026-01-01T00:00".length);
}
