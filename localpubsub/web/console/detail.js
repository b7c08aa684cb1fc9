// @ts-check
/** @import { TrafficRecord } from "./protocol.js" */
/** @import { Entry, Records } from "./records.js" */
import { bodyView, headersView, plain, section } from "./body-view.js";
import { curlOf } from "./curl.js";
import { button, copyButton, make } from "./dom.js";
import { jsonView } from "./json-view.js";
import { KIND_WORDS } from "./protocol.js";
import { outcomeOf } from "./row.js";
import { counted, day, duration, timeOfDay } from "./words.js";

// What the service writes in place of a secret.
const HIDDEN = "***";

/** All there is to know about one record, and what can be done with it. */
export class Detail {
  /** @type {Entry | null} */
  #entry = null;
  #revision = -1;

  /**
   * @param {object} parts
   * @param {HTMLElement} parts.pane
   * @param {Records} parts.records
   * @param {() => string} parts.endpoint
   * @param {(record: TrafficRecord) => void} parts.replay
   * @param {(connectionId: string) => void} parts.filterBy
   * @param {(entry: Entry) => void} parts.go to another record
   * @param {() => void} parts.closed
   */
  constructor({ pane, records, endpoint, replay, filterBy, go, closed }) {
    this.pane = pane;
    this.records = records;
    this.endpoint = endpoint;
    this.replay = replay;
    this.filterBy = filterBy;
    this.go = go;
    this.closed = closed;
    pane.addEventListener("keydown", (event) => {
      if (event.key === "Escape") {
        this.close();
      }
    });
  }

  get entry() {
    return this.#entry;
  }

  /**
   * @param {Entry} entry
   * @param {boolean} takesFocus
   */
  show(entry, takesFocus) {
    const isOther = entry !== this.#entry;
    this.#entry = entry;
    this.pane.hidden = false;
    this.#render();
    if (isOther) {
      this.pane.scrollTop = 0;
    }
    const coversTree = getComputedStyle(this.pane).position === "absolute";
    if (takesFocus || coversTree) {
      this.pane.focus({ preventScroll: true });
    }
  }

  /** Writes it anew if its record was replaced. */
  refresh() {
    if (this.#entry !== null && this.#revision !== this.#entry.revision) {
      this.#render();
    }
  }

  close() {
    if (this.#entry !== null) {
      this.#entry = null;
      this.pane.hidden = true;
      this.pane.replaceChildren();
      this.closed();
    }
  }

  #render() {
    const entry = this.#entry;
    if (entry === null) {
      return;
    }
    this.#revision = entry.revision;
    const focused = this.pane.contains(document.activeElement) ? document.activeElement?.textContent : null;
    this.pane.replaceChildren(this.#head(entry), this.#facts(entry), this.#actions(entry.record), ...parts(entry.record));
    if (focused) {
      [...this.pane.querySelectorAll("button")].find((one) => one.textContent === focused)?.focus();
    }
  }

  /** @param {Entry} entry */
  #head({ record }) {
    const head = make("header", "detail-head");
    const title = make("h3");
    title.append(make("span", "kind", KIND_WORDS[record.kind] ?? record.kind), " ", isolated(record.summary));
    head.dataset.kind = record.kind;
    const close = button("Close", () => this.close());
    close.setAttribute("aria-keyshortcuts", "Escape");
    head.append(title, close);
    return head;
  }

  /** @param {Entry} entry */
  #facts({ record, parent }) {
    const list = make("dl", "facts");
    /** @type {(name: string, value: string | Node | null | undefined) => void} */
    const add = (name, value) => {
      if (value !== null && value !== undefined && value !== "") {
        const place = make("dd");
        place.append(value);
        list.append(make("dt", "", name), place);
      }
    };
    const outcome = outcomeOf(record).words;
    add("When", `${timeOfDay(record.at)}, ${day(record.at)}`);
    add("Outcome", [outcome, record.tookMs === null ? "" : duration(record.tookMs)].filter(Boolean).join(" in "));
    add("Hub", record.hub);
    add("User", record.userId);
    add("Connection", record.connectionId);
    add("Cause", this.#cause(record, parent));
    return list;
  }

  /**
   * @param {TrafficRecord} record
   * @param {Entry | null} parent
   */
  #cause({ cause, exact }, parent) {
    if (cause === null) {
      return null;
    }
    const place = make("span");
    const known = parent ?? this.records.get(cause);
    if (known === undefined) {
      place.append("no longer kept here");
    } else {
      place.append(button(known.record.summary, () => this.go(known), "link"));
    }
    place.append(exact ? "" : " (probably: by time and connection, nothing on the wire says it)");
    return place;
  }

  /** @param {TrafficRecord} record */
  #actions(record) {
    const row = make("div", "actions");
    /** @type {HTMLElement | string} */
    let hint = "";
    if (record.kind === "event" || record.kind === "call") {
      row.append(copyButton("Copy as curl", () => curlOf(record, this.endpoint())));
      if (curlOf(record, this.endpoint()).includes(HIDDEN)) {
        hint = make("p", "hint", `Secrets are hidden: put the real ones in place of ${HIDDEN} before you run it.`);
      }
    }
    if (record.kind === "event") {
      row.append(button("Replay", () => this.replay(record)));
    }
    const { connectionId } = record;
    if (connectionId) {
      row.append(button("Only this connection", () => this.filterBy(connectionId)));
    }
    row.append(hint);
    return row;
  }
}

/**
 * @param {TrafficRecord} record
 * @returns {HTMLElement[]}
 */
function parts({ kind, detail }) {
  switch (kind) {
    case "event":
      return [
        section("Request", line(`POST ${detail.url}`), headersView(detail.headers), bodyView(detail.body, detail.bodyType), cut(detail)),
        answer(detail.answer),
      ];
    case "call":
      return [
        section(
          "Request",
          line(`${detail.method} ${detail.path}`),
          headersView(detail.headers),
          bodyView(detail.body, detail.bodyType),
          cut(detail),
        ),
        section("Answer", line(String(detail.status ?? "none yet")), detail.error ? problem(detail.error) : null),
      ];
    case "delivery":
      return [
        section(
          "Delivery",
          line(`${detail.group ? `Group ${detail.group}` : "No group"}, ${counted(Number(detail.receivers), "receiver")}`),
          detail.dataType ? line(`Data type ${detail.dataType}`) : null,
          bodyView(detail.preview),
        ),
      ];
    case "frame":
      return [
        section(
          detail.direction === "out" ? "Frame to the client" : "Frame from the client",
          detail.base64 === undefined ? bodyView(detail.text) : bodyView(detail.base64, "base64"),
        ),
        ...(detail.ack ? [section("Acknowledgement", jsonView(detail.ack))] : []),
      ];
    default:
      return Object.keys(detail ?? {}).length > 0 ? [section("Details", jsonView(detail))] : [];
  }
}

/** @param {Record<string, any> | null | undefined} answered */
function answer(answered) {
  if (!answered) {
    return section("Answer", make("p", "hint", "None yet: the event handler is still at work."));
  }
  const status = line(`Status ${answered.status ?? "unknown"}`);
  const error = answered.error ? problem(answered.error) : null;
  if (error && typeof answered.status !== "number") {
    return section("Answer", line("None that could be used"), error);
  }
  const body = bodyView(answered.body, answered.bodyType);
  return section("Answer", status, headersView(answered.headers), body, cut(answered), error);
}

/** @param {Record<string, any>} told with `bodyLength` where that is not all of the body */
function cut({ bodyLength }) {
  return bodyLength ? make("p", "hint", `Only the beginning: the body has ${counted(bodyLength, "byte")}.`) : null;
}

/** @param {unknown} error */
function problem(error) {
  const element = plain(typeof error === "string" ? error : JSON.stringify(error, null, 2));
  element.classList.add("problem");
  return element;
}

/** @param {string} text */
function line(text) {
  const element = make("p", "request-line", text);
  element.dir = "auto";
  return element;
}

/** @param {string} text */
function isolated(text) {
  return make("bdi", "", text);
}
