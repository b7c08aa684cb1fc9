// @ts-check
import { Vehicle } from "./fleet.js";
import { roleOf } from "./rules.js";

/** @import { Alert, Charts, Message, Row, Shipment, State } from "./shapes.js" */
/** @import { Detail, News, Page } from "./wire.js" */
/** @typedef {"shipments" | "alerts" | "vehicles" | "messages" | "charts"} Part */

const MOST_MESSAGES = 500;
/** Of several loads the one that most wants to be seen stands for the vehicle. @type {readonly State[]} */
const PRESSING = ["exception", "delayed", "departed", "arrived", "loaded"];

/** All that is known, merged by the one rule of the wire: whatever comes, in whatever order, the newer wins. */
export class Board {
  /** @type {Map<string, Shipment>} */
  shipments = new Map();
  /** @type {Map<string, Alert>} */
  alerts = new Map();
  /** @type {Map<string, Vehicle>} by name, without the role */
  vehicles = new Map();
  /** @type {Map<string, Message>} */
  messages = new Map();
  /** @type {Charts | null} */
  charts = null;
  /** @type {Set<Part>} what changed since somebody emptied this */
  changes = new Set();
  /** How far the server's clock is ahead of ours, seconds. */
  clockAhead = 0;
  positionEvents = 0;
  /** @type {Map<string, Set<string>>} the shipments on a vehicle */
  #loads = new Map();

  /** @returns {number} Unix seconds, by the server's clock */
  get now() {
    return Date.now() / 1000 + this.clockAhead;
  }

  /** @param {News} news */
  hear(news) {
    switch (news.type) {
      case "shipment":
        this.#takeShipment(news.shipment);
        break;
      case "alert":
        this.#takeAlert(news.alert);
        break;
      case "message":
        this.#takeMessage(news.message);
        break;
      case "positions":
        this.positionEvents += news.events;
        this.#setClock(news.at);
        news.rows.forEach((row) => this.#takeRow(row));
        break;
      case "charts":
        this.charts = news.charts;
        this.changes.add("charts");
    }
  }

  /** @param {Page} page */
  fill({ at, shipments, alerts, rows, messages, charts }) {
    this.#setClock(at);
    shipments.forEach((shipment) => this.#takeShipment(shipment));
    alerts.forEach((alert) => this.#takeAlert(alert));
    rows.forEach((row) => this.#takeRow(row));
    messages.forEach((message) => this.#takeMessage(message));
    if (charts !== null) {
      this.hear({ type: "charts", charts });
    }
  }

  /** @param {Detail} detail */
  learn({ shipment }) {
    this.#takeShipment(shipment);
  }

  /**
   * @param {string} name of a vehicle
   * @returns {Shipment | undefined}
   */
  loadOf(name) {
    /** @type {Shipment | undefined} */
    let load;
    for (const id of this.#loads.get(name) ?? []) {
      const shipment = this.shipments.get(id);
      if (shipment && (load === undefined || PRESSING.indexOf(shipment.state) < PRESSING.indexOf(load.state))) {
        load = shipment;
      }
    }
    return load;
  }

  /** @param {string} id of a shipment */
  openAlertsOf(id) {
    return [...this.alerts.values()].filter(({ shipment, clearedAt }) => shipment === id && clearedAt === null);
  }

  /** @param {number} at the server's time, now */
  #setClock(at) {
    if (at > 0) {
      this.clockAhead = at - Date.now() / 1000;
    }
  }

  /** @param {Shipment} shipment */
  #takeShipment(shipment) {
    const known = this.shipments.get(shipment.id);
    if (known && known.number >= shipment.number) {
      return;
    }
    this.shipments.set(shipment.id, shipment);
    this.changes.add("shipments");
    if (shipment.vehicle === "" || roleOf(shipment.vehicle) !== "vehicle") {
      return;
    }
    const vehicle = shipment.vehicle.slice("vehicle:".length);
    const loads = this.#loads.get(vehicle) ?? new Set();
    if (shipment.state === "delivered") {
      loads.delete(shipment.id);
    } else {
      loads.add(shipment.id);
    }
    this.#loads.set(vehicle, loads);
    this.changes.add("vehicles");
  }

  /** @param {Alert} alert */
  #takeAlert(alert) {
    const known = this.alerts.get(alert.id);
    if (!known || known.number < alert.number) {
      this.alerts.set(alert.id, alert);
      this.changes.add("alerts");
    }
  }

  /** @param {Message} message */
  #takeMessage(message) {
    if (message.id === "" || this.messages.has(message.id)) {
      return;
    }
    this.messages.set(message.id, message);
    this.changes.add("messages");
    if (this.messages.size > MOST_MESSAGES) {
      const [oldest] = this.messages.keys();
      this.messages.delete(oldest);
    }
  }

  /** @param {Row} row */
  #takeRow(row) {
    const known = this.vehicles.get(row.vehicle);
    if (known === undefined) {
      this.vehicles.set(row.vehicle, new Vehicle(row));
    } else if (known.row.at < row.at) {
      known.hear(row);
    } else {
      return;
    }
    this.changes.add("vehicles");
  }
}
