// @ts-check
import { counted, make, part } from "../chat/elements.js";
import { KeyedList } from "../chat/keyed-list.js";
import { nameOf, partyWords, roleOf } from "./rules.js";
import { alertName, alertWords, durationWords, exactTime, severityOf } from "./words.js";

/** @import { Desk } from "./desk.js" */
/** @import { Alert } from "./shapes.js" */

const MOST_SHOWN = 100;
const MOST_ANNOUNCED = 3;
const ANNOUNCE_EVERY_MS = 1_500;
const SEVERITIES = ["critical", "high", "low"];

const list = part("alerts-list", HTMLUListElement);
const count = part("alerts-count", HTMLElement);
const empty = part("alerts-empty", HTMLElement);
const rest = part("alerts-rest", HTMLElement);
const clearedField = part("alerts-cleared", HTMLInputElement);
const note = part("alerts-note", HTMLElement);
const announcer = part("announcer", HTMLElement);

/** What somebody should look at: what nobody has taken on comes first. */
export class AlertList {
  /** @type {Desk | null} */
  #desk = null;
  /** @type {Set<string>} alerts whose acknowledgement is on its way */
  #taking = new Set();
  /** @type {Alert[]} */
  #toAnnounce = [];
  #announceTimer = 0;
  /** @type {KeyedList<Alert>} */
  #list;

  /** @param {{ select: (shipment: string) => void }} deeds */
  constructor({ select }) {
    this.select = select;
    this.#list = new KeyedList(list, {
      keyOf: ({ id }) => id,
      stampOf: ({ id, number }) => `${number} ${this.#taking.has(id)}`,
      create: () => make("li", "alert"),
      update: (item, alert) => this.#draw(item, alert),
    });
    clearedField.addEventListener("change", () => this.refresh());
  }

  /** @param {Desk | null} desk */
  open(desk) {
    this.#desk = desk;
    this.#taking.clear();
    this.#toAnnounce = [];
    announcer.replaceChildren();
    note.textContent = "";
    this.refresh();
  }

  refresh() {
    const alerts = [...(this.#desk?.board.alerts.values() ?? [])];
    const open = alerts.filter(({ clearedAt }) => clearedAt === null);
    const waiting = open.filter(({ acknowledgedAt }) => acknowledgedAt === null).length;
    const shown = (clearedField.checked ? alerts : open).sort(byUrgency);
    count.textContent = open.length === 0 ? "" : `${open.length} open, ${waiting} unacknowledged`;
    empty.hidden = shown.length > 0;
    rest.hidden = shown.length <= MOST_SHOWN;
    rest.textContent = `${counted(shown.length - MOST_SHOWN, "more alert")} below these.`;
    this.#list.show(shown.slice(0, MOST_SHOWN));
    this.tick();
  }

  /** The ages go on; nobody is told of that. */
  tick() {
    const now = this.#desk?.board.now ?? 0;
    for (const age of /** @type {NodeListOf<HTMLElement>} */ (list.querySelectorAll("[data-since]"))) {
      age.textContent = durationWords(now - Number(age.dataset.since));
    }
  }

  /** @param {Alert} alert that is new */
  announce(alert) {
    this.#toAnnounce.push(alert);
    this.#announceTimer ||= setTimeout(() => {
      this.#announceTimer = 0;
      const alerts = this.#toAnnounce.splice(0).sort(byUrgency);
      const more = alerts.length - MOST_ANNOUNCED;
      const sentences = alerts
        .slice(0, MOST_ANNOUNCED)
        .map((one) => `Alert: ${alertName(one)}, ${one.shipment}, ${alertWords(one)}.`);
      announcer.replaceChildren(
        ...[...sentences, ...(more > 0 ? [`And ${counted(more, "more alert")}.`] : [])].map((sentence) =>
          make("p", "", sentence),
        ),
      );
    }, ANNOUNCE_EVERY_MS);
  }

  /**
   * @param {HTMLElement} item
   * @param {Alert} alert
   */
  #draw(item, alert) {
    const severity = severityOf(alert);
    item.dataset.severity = severity;
    item.dataset.open = String(alert.clearedAt === null);
    item.dataset.acknowledged = String(alert.acknowledgedAt !== null);
    const name = make("button", "link alert-name", `${alertName(alert)} · ${alert.shipment}`);
    name.type = "button";
    name.addEventListener("click", () => this.select(alert.shipment));
    const level = make("span", "severity", severity);
    const detail = make("p", "alert-detail", `${nameOf(alert.vehicle)} ${alertWords(alert)}`.trim());
    const line = make("p", "alert-when");
    const age = make("span", "age");
    age.dataset.since = String(alert.raisedAt);
    age.title = exactTime(alert.raisedAt);
    line.append(age, alert.clearedAt === null ? " old" : ` ago, cleared ${exactTime(alert.clearedAt)}`);
    item.replaceChildren(level, name, detail, line, this.#acknowledgement(alert));
    this.tick();
  }

  /** @param {Alert} alert */
  #acknowledgement(alert) {
    if (alert.acknowledgedAt !== null) {
      const words = `${partyWords(alert.acknowledgedBy)}, ${exactTime(alert.acknowledgedAt)}`;
      return make("p", "acknowledged", `Acknowledged by ${words}`);
    }
    if (alert.clearedAt !== null || roleOf(this.#desk?.me ?? "") !== "tower") {
      return make("p", "acknowledged", alert.clearedAt === null ? "Not acknowledged yet" : "");
    }
    const button = make("button", "quiet", "Acknowledge");
    button.type = "button";
    button.setAttribute("aria-label", `Acknowledge ${alertName(alert)} of ${alert.shipment}`);
    button.disabled = this.#taking.has(alert.id);
    button.addEventListener("click", () => this.#acknowledge(alert));
    return button;
  }

  /** @param {Alert} alert */
  async #acknowledge({ id }) {
    const desk = this.#desk;
    this.#taking.add(id);
    note.textContent = "";
    this.refresh();
    try {
      await desk?.ask("acknowledge", { alert: id });
    } catch (error) {
      note.textContent = `Not acknowledged: ${error instanceof Error ? error.message : error}.`;
    }
    this.#taking.delete(id);
    this.refresh();
  }
}

/**
 * @param {Alert} one
 * @param {Alert} other
 */
function byUrgency(one, other) {
  return (
    Number(one.clearedAt !== null) - Number(other.clearedAt !== null) ||
    Number(one.acknowledgedAt !== null) - Number(other.acknowledgedAt !== null) ||
    SEVERITIES.indexOf(severityOf(one)) - SEVERITIES.indexOf(severityOf(other)) ||
    other.raisedAt - one.raisedAt
  );
}
