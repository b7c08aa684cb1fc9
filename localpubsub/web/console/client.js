// @ts-check
/** @import { Commands, DataType, Subprotocol } from "./commands.js" */
/** @import { SessionFrame, SessionStatus } from "./session.js" */
import { sentenceOf } from "./api.js";
import { SUBPROTOCOLS } from "./commands.js";
import { button, copyButton, find, make, setText } from "./dom.js";
import { Values, checkData, onSubmit, tell } from "./forms.js";
import { fromHex, hexDump, toHex } from "./protobuf.js";
import { Session } from "./session.js";
import { clientUrl } from "./token.js";
import { listed, timeOfDay } from "./words.js";

const MOST_FRAMES = 300;

/** The client a developer has at hand: connects, asks, and shows each frame. */
export class TestClient {
  #session = new Session();
  #form = find("client-form", HTMLFormElement);
  #ask = find("client-ask", HTMLFormElement);
  #asking = find("client-asking", HTMLFieldSetElement);
  #protocol = find("client-protocol", HTMLSelectElement);
  #state = find("client-state");
  #connect = find("client-connect", HTMLButtonElement);
  #live = find("client-live");
  #frame = find("client-frame", HTMLTextAreaElement);
  #frameNote = find("client-frame-note");
  #frames = find("client-frames");
  #noFrames = find("client-no-frames");
  #lastAckId = 0;
  #traffic = button("Its traffic", () => this.showTraffic(this.#session.connectionId));
  #leave = button("Disconnect", () => this.#session.close());
  #cut = button("Cut off", () => this.#session.cut());
  #return = button("Come back", () => this.#session.comeBack());

  /** @param {(connectionId: string) => void} showTraffic */
  constructor(showTraffic) {
    this.showTraffic = showTraffic;
    this.#protocol.prepend(...SUBPROTOCOLS.map(({ label }, index) => new Option(label, String(index))));
    this.#protocol.selectedIndex = 0;
    this.#cut.title = "Ends the socket without a goodbye, as a network does. A reliable connection can come back.";
    this.#live.append(this.#leave, this.#cut, this.#return, this.#traffic);
    this.#session.addEventListener("status", (event) => {
      this.#tellStatus(/** @type {CustomEvent<SessionStatus>} */ (event).detail);
    });
    this.#session.addEventListener("frame", (event) => {
      this.#show(/** @type {CustomEvent<SessionFrame>} */ (event).detail);
    });
    find("client-ack", HTMLInputElement).addEventListener("change", ({ target }) => {
      this.#session.acknowledges = target instanceof HTMLInputElement && target.checked;
    });
    find("client-clear").addEventListener("click", () => {
      this.#frames.replaceChildren();
      this.#noFrames.hidden = false;
    });
    this.#protocol.addEventListener("change", () => this.#fit());
    onSubmit(this.#form, (values) => this.#open(values));
    this.#ask.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#press(event.submitter instanceof HTMLButtonElement ? event.submitter.value : "frame");
    });
    this.#tellStatus({ name: "idle" });
    this.#fit();
  }

  /** @returns {Subprotocol} */
  get #subprotocol() {
    return SUBPROTOCOLS[Number(this.#protocol.value)];
  }

  get #speaksHex() {
    return this.#subprotocol.name.startsWith("protobuf");
  }

  /** @param {Values} values */
  async #open(values) {
    const url = await clientUrl({
      hub: values.needed("hub", "a hub"),
      userId: values.text("userId"),
      roles: values.all("role"),
      groups: listed(values.raw("groups")),
    });
    this.#lastAckId = 0;
    this.#session.open(url, this.#subprotocol);
    return "";
  }

  /** What the buttons do to the frame editor, and at once to the service. @param {string} what */
  #press(what) {
    tell(this.#ask, "");
    try {
      const { commands } = this.#subprotocol;
      if (what !== "frame" && commands) {
        const frame = build(commands, what, new Values(this.#ask), this.#lastAckId + 1);
        this.#lastAckId += 1;
        this.#frame.value = typeof frame === "string" ? frame : toHex(frame);
        this.#session.send(frame);
        return;
      }
      this.#session.send(this.#speaksHex ? bytesOf(this.#frame.value) : this.#frame.value);
    } catch (error) {
      tell(this.#ask, sentenceOf(error), true);
    }
  }

  /** What the chosen subprotocol can do. */
  #fit() {
    const { commands, reliable } = this.#subprotocol;
    for (const part of this.#ask.querySelectorAll("[data-commands]")) {
      /** @type {HTMLElement} */ (part).hidden = commands === null;
    }
    find("client-ack-field").hidden = !reliable;
    this.#frame.value = this.#speaksHex ? "4a 00" : commands ? '{"type":"ping"}' : "hello";
    setText(
      this.#frameNote,
      this.#speaksHex
        ? "Bytes as hex. The buttons write here what they send."
        : commands
          ? "One JSON object. The buttons write here what they send."
          : "A raw client's frame is an event named “message”.",
    );
  }

  /** @param {SessionStatus} status */
  #tellStatus(status) {
    const isConnected = status.name === "connected";
    const isBusy = status.name === "connecting";
    const { connectionId, canReturn } = this.#session;
    this.#state.dataset.state = status.name;
    setText(this.#state, sentence(status, connectionId));
    this.#asking.disabled = !isConnected;
    this.#protocol.disabled = isConnected || isBusy || canReturn;
    this.#connect.hidden = isConnected || isBusy;
    find("client-settings").hidden = isConnected || isBusy; // room for the frames
    this.#leave.hidden = !isConnected && !isBusy;
    this.#cut.hidden = !isConnected || !this.#subprotocol.reliable;
    this.#return.hidden = !canReturn;
    this.#traffic.hidden = !connectionId;
    if (status.name === "closed") {
      this.#protocol.disabled = false;
      this.#show({ direction: "note", data: sentence(status, "") });
    }
  }

  /** @param {SessionFrame} frame */
  #show({ direction, data }) {
    const item = make("li", "client-frame");
    item.dataset.direction = direction;
    const words = { in: "received", out: "sent", note: "" }[direction];
    const text = typeof data === "string" ? pretty(data) : hexDump(data) || "(empty)";
    const head = make("p", "client-frame-head");
    head.append(make("span", "", words), make("time", "time", timeOfDay(Date.now())));
    if (direction === "note") {
      item.append(head, make("p", "hint", text));
    } else {
      head.append(copyButton("Copy", () => (typeof data === "string" ? data : toHex(data))));
      const shown = make("pre", "plain", text);
      shown.dir = "auto";
      item.append(head, shown);
    }
    this.#noFrames.hidden = true;
    this.#frames.prepend(item);
    while (this.#frames.childElementCount > MOST_FRAMES) {
      this.#frames.lastElementChild?.remove();
    }
  }
}

/**
 * @param {Commands} commands
 * @param {string} what
 * @param {Values} values
 * @param {number} ackId
 */
function build(commands, what, values, ackId) {
  const dataType = /** @type {DataType} */ (values.text("dataType"));
  const payload = { dataType, data: values.raw("data") };
  if (what === "send" || what === "event") {
    checkData(dataType, payload.data);
  }
  switch (what) {
    case "join":
      return commands.join(values.needed("group", "a group"), ackId);
    case "leave":
      return commands.leave(values.needed("group", "a group"), ackId);
    case "send":
      return commands.send(values.needed("group", "a group"), payload, ackId);
    case "event":
      return commands.event(values.needed("event", "the event's name"), payload, ackId);
    default:
      return commands.ping();
  }
}

/** @param {string} hex */
function bytesOf(hex) {
  const bytes = fromHex(hex);
  if (bytes === null) {
    throw new Error("Please write bytes as pairs of hex digits, such as 4a 00.");
  }
  return bytes;
}

/**
 * @param {SessionStatus} status
 * @param {string} connectionId
 */
function sentence(status, connectionId) {
  switch (status.name) {
    case "idle":
      return "Not connected";
    case "connecting":
      return "Connecting…";
    case "connected":
      return connectionId ? `Connected as ${connectionId}` : "Connected";
    case "closed":
      return `Closed with ${status.code}${status.reason ? `: “${status.reason}”` : ""}`;
  }
}

/** @param {string} text */
function pretty(text) {
  try {
    return JSON.stringify(JSON.parse(text), null, 1);
  } catch {
    return text;
  }
}
