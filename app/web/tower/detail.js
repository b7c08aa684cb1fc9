// @ts-check
import { make, nameOf as named, part } from "../chat/elements.js";
import { deedForm, Errand, messageMistake } from "./forms.js";
import { glyph, kindOf } from "./glyphs.js";
import { deedsFor, listenersFor, partyWords } from "./rules.js";
import { behind, behindWords, exactTime, expectedAt, momentWords, wayOf } from "./words.js";

/** @import { Desk } from "./desk.js" */
/** @import { Deed } from "./rules.js" */
/** @import { Entry, Shipment } from "./shapes.js" */
/** @import { Detail } from "./wire.js" */

const panel = part("detail", HTMLElement);
const heading = part("detail-heading", HTMLElement);
const way = part("detail-way", HTMLElement);
const facts = part("detail-facts", HTMLElement);
const deeds = part("detail-deeds", HTMLElement);
const deedPlace = part("detail-deed", HTMLElement);
const trail = part("detail-trail", HTMLOListElement);
const trailNote = part("detail-trail-note", HTMLElement);
const tellForm = part("tell-form", HTMLFormElement);
const tellTo = part("tell-to", HTMLSelectElement);
const tellText = part("tell-text", HTMLTextAreaElement);
const tellNote = part("tell-note", HTMLElement);
const tellButton = part("tell-send", HTMLButtonElement);

/** One shipment: what it is, what may be done with it, and all that happened to it. */
export class DetailPanel {
  /** @type {Desk | null} */
  #desk = null;
  #id = "";
  /** @type {Detail | null} */
  #detail = null;
  /** What the trail that is shown, or asked for, reaches to. */
  #askedUpTo = -1;
  #isAsking = false;
  /** How many messages about it there were when it was asked for: each is an entry of the trail, too. */
  #told = 0;
  #stamp = "";
  #errand = new Errand();

  /** @param {{ closed: () => void, learned: (detail: Detail) => void }} deeds */
  constructor({ closed, learned }) {
    this.closed = closed;
    this.learned = learned;
    part("detail-close", HTMLButtonElement).addEventListener("click", () => closed());
    panel.addEventListener("keydown", (event) => {
      if (event.key === "Escape") {
        closed();
      }
    });
    tellForm.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#tell();
    });
  }

  get id() {
    return this.#id;
  }

  /**
   * @param {Desk | null} desk
   * @param {string} id of the shipment; empty for none
   */
  show(desk, id) {
    this.#desk = desk;
    this.#id = id;
    this.#detail = null;
    this.#askedUpTo = -1;
    this.#told = 0;
    this.#stamp = "";
    panel.hidden = id === "";
    deedPlace.replaceChildren();
    trail.replaceChildren();
    trailNote.textContent = "Loading the trail…";
    tellText.value = "";
    tellNote.textContent = "";
    panel.scrollTop = 0;
    if (id !== "") {
      this.refresh();
      heading.focus({ preventScroll: true });
    }
  }

  /** After anything about shipments or messages has changed. */
  refresh() {
    const shipment = this.#desk?.board.shipments.get(this.#id);
    if (!this.#desk || !shipment) {
      return;
    }
    const told = [...this.#desk.board.messages.values()].filter((message) => message.shipment === this.#id).length;
    const hasMore = shipment.number > this.#askedUpTo || told > this.#told;
    if (hasMore && !this.#isAsking && this.#desk.isConnected) {
      this.#told = told;
      this.#ask(shipment);
    }
    const stamp = JSON.stringify([
      shipment,
      this.#detail?.trail.length,
      behindWords(behind(shipment, this.#desk.board.now)),
    ]);
    if (stamp !== this.#stamp) {
      const wasDeed = this.#stamp.includes(`"number":${shipment.number},`);
      this.#stamp = stamp;
      this.#draw(this.#desk, shipment, wasDeed);
    }
  }

  /** Loads the trail anew: after a reconnect it may have gone on. */
  reload() {
    this.#askedUpTo = -1;
    this.refresh();
  }

  /** @param {Shipment} shipment */
  async #ask({ id, number }) {
    const desk = this.#desk;
    this.#isAsking = true;
    this.#askedUpTo = number;
    try {
      const answer = await desk?.ask("shipment", { shipment: id });
      if (answer?.type === "detail" && id === this.#id) {
        this.#detail = answer;
        this.#askedUpTo = Math.max(this.#askedUpTo, answer.shipment.number);
        desk?.board.learn(answer);
        this.learned(answer);
      }
    } catch (error) {
      if (id === this.#id && this.#detail === null) {
        trailNote.textContent = `The trail could not be loaded: ${error instanceof Error ? error.message : error}.`;
      }
    }
    this.#isAsking = false;
    this.refresh();
  }

  /**
   * @param {Desk} desk
   * @param {Shipment} shipment
   * @param {boolean} isSame version as before
   */
  #draw(desk, shipment, isSame) {
    const { now } = desk.board;
    heading.replaceChildren(glyph(kindOf(shipment.state)), named("", shipment.id));
    way.textContent = `${shipment.state} · ${wayOf(shipment)}`;
    facts.replaceChildren(
      ...factsOf(shipment, now).flatMap(([term, text]) => [make("dt", "", term), make("dd", "", text)]),
    );
    if (!isSame) {
      this.#offerDeeds(desk, shipment);
      this.#offerListeners(desk, shipment);
    }
    if (this.#detail) {
      trailNote.textContent = "";
      const newestFirst = [...this.#detail.trail].sort((one, other) => other.number - one.number);
      trail.replaceChildren(...newestFirst.map((entry) => entryItem(entry, now)));
    }
  }

  /**
   * @param {Desk} desk
   * @param {Shipment} shipment
   */
  #offerDeeds(desk, shipment) {
    const offered = deedsFor(shipment, desk.me);
    const buttons = offered.map((deed) => {
      const button = make(
        "button",
        deed.isStep ? "primary small" : "quiet",
        deed.fields.length > 0 ? `${deed.word}…` : deed.word,
      );
      button.type = "button";
      button.addEventListener("click", () => this.#do(desk, shipment, deed));
      return button;
    });
    const hadFocus = deeds.contains(document.activeElement) || deedPlace.contains(document.activeElement);
    deeds.replaceChildren(...buttons);
    deeds.hidden = buttons.length === 0;
    deedPlace.replaceChildren();
    if (hadFocus) {
      (buttons[0] ?? heading).focus({ preventScroll: true });
    }
  }

  /**
   * @param {Desk} desk
   * @param {Shipment} shipment
   * @param {Deed} deed
   */
  #do(desk, shipment, deed) {
    const form = deedForm(desk, shipment, deed, () => {
      deedPlace.replaceChildren();
      heading.focus({ preventScroll: true });
    });
    deedPlace.replaceChildren(form);
    if (deed.fields.length === 0) {
      form.requestSubmit();
    } else {
      form.querySelector("input")?.focus();
    }
  }

  /**
   * @param {Desk} desk
   * @param {Shipment} shipment
   */
  #offerListeners(desk, shipment) {
    const chosen = tellTo.value;
    const listeners = listenersFor(shipment, desk.me);
    tellTo.replaceChildren(
      ...listeners.map((party) => {
        const option = make("option", "", partyWords(party));
        option.value = party;
        return option;
      }),
    );
    if (listeners.includes(chosen)) {
      tellTo.value = chosen;
    }
    tellForm.hidden = listeners.length === 0;
  }

  async #tell() {
    const text = tellText.value.trim();
    const mistake = messageMistake(text);
    tellNote.textContent = mistake;
    if (mistake !== "" || !this.#desk) {
      tellText.focus();
      return;
    }
    tellButton.disabled = true;
    const data = { to: tellTo.value, shipment: this.#id, message: text };
    tellNote.textContent = await this.#errand.run(this.#desk, "tell", data);
    tellButton.disabled = false;
    if (tellNote.textContent === "") {
      tellText.value = "";
    }
    tellText.focus();
  }
}

/**
 * @param {Shipment} shipment
 * @param {number} now
 * @returns {[string, string][]}
 */
function factsOf(shipment, now) {
  const { goods, cold, customer, transporter, vehicle, origin, destination, reason } = shipment;
  /** @type {[string, string][]} */
  const all = [
    ["Goods", cold ? `${goods}, ${cold.min} to ${cold.max} °C` : goods],
    ["From", partyWords(origin)],
    ["To", partyWords(destination)],
    ["Customer", customer && partyWords(customer)],
    [
      "Carried by",
      [transporter, vehicle]
        .filter((party) => party !== "")
        .map(partyWords)
        .join(", "),
    ],
    ["Planned", `${momentWords(shipment.departAt, now)} to ${momentWords(shipment.arriveAt, now)}`],
    [
      shipment.arrivedAt === null ? "Expected" : "Arrived",
      `${momentWords(expectedAt(shipment), now)}, ${behindWords(behind(shipment, now))}`,
    ],
    ["Reason", reason],
  ];
  return all.filter(([, text]) => text !== "");
}

/**
 * @param {Entry} entry
 * @param {number} now
 */
function entryItem({ event, by, at, reason, message, to }, now) {
  const item = make("li", "entry");
  item.dataset.event = event;
  const when = make("time", "entry-when", momentWords(at, now));
  when.dateTime = new Date(at * 1000).toISOString();
  when.title = exactTime(at);
  const what = event === "told" ? `${partyWords(by)} to ${partyWords(to)}` : event;
  item.append(when, make("span", "entry-what", what));
  if (event !== "told") {
    item.append(make("span", "entry-by", `by ${partyWords(by)}`));
  }
  const words = event === "told" ? message : reason;
  if (words !== "") {
    const said = make("p", "entry-words", words);
    said.dir = "auto";
    item.append(said);
  }
  return item;
}
