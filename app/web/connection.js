// @ts-check
import { explainClose } from "./close-codes.js";

const SUBPROTOCOL = "json.webpubsub.azure.v1";
const PING_EVERY_MS = 20_000;
// A pong waits behind an event the upstream is still answering: silence has to outlast its slowest answer.
const SILENCE_LIMIT_MS = 120_000;
const HANDSHAKE_LIMIT_MS = 45_000;
const FIRST_DELAY_MS = 1_000;
const LONGEST_DELAY_MS = 30_000;
// A service that accepts and then closes at once must not be called back at the first delay for ever.
const STABLE_AFTER_MS = 10_000;

/** Thrown by a `resolveUrl` whose refusal another attempt would not change. */
export class Refused extends Error {}

/** Why a message has no acknowledgement. */
export class NotDelivered extends Error {}

/** One message on its way. It keeps its number when sent again on the same connection, so the service runs it once. */
export class Delivery {
  ackId = 0;
  connectionId = "";

  /**
   * @param {string} event
   * @param {unknown} data a string goes out as text, all else as JSON
   */
  constructor(event, data) {
    this.event = event;
    this.data = data;
  }
}

/**
 * @typedef {{ code?: number, sentence: string }} Reason
 * @typedef {{ name: "idle" }
 *   | { name: "connecting", reason?: Reason }
 *   | { name: "connected", userId: string, connectionId: string }
 *   | { name: "waiting", retryAt: number, reason: Reason }
 *   | { name: "closed", deliberate: boolean, hadConnected: boolean, reason?: Reason }} Status
 * @typedef {{ resolve: () => void, reject: (error: NotDelivered) => void }} Pending
 */

/**
 * A client of the JSON subprotocol that stays connected until it is told to stop or is refused for good.
 *
 * Events: `status` (detail: `Status`) and `message` (detail: the payload of a message frame).
 */
export class Connection extends EventTarget {
  /** @type {() => Promise<string>} */
  #resolveUrl;
  /** @type {WebSocket | null} */
  #socket = null;
  /** @type {Status} */
  #status = { name: "idle" };
  /** @type {Map<number, Pending>} */
  #pending = new Map();
  #lastAckId = 0;
  #connectionId = "";
  #hadConnected = false;
  #connectedAt = 0;
  #failures = 0;
  #lastHeard = 0;
  #farewell = "";
  /** Raised to make whatever an earlier attempt still awaits count for nothing. */
  #attempt = 0;
  #retryTimer = 0;
  #pingTimer = 0;
  #handshakeTimer = 0;

  /** @param {() => Promise<string>} resolveUrl asked anew for every attempt: tokens expire */
  constructor(resolveUrl) {
    super();
    this.#resolveUrl = resolveUrl;
  }

  get status() {
    return this.#status;
  }

  /** Connects, at once even when a later attempt is planned. Does nothing while connected or connecting. */
  open() {
    if (this.#status.name !== "connected" && this.#status.name !== "connecting") {
      this.#connect();
    }
  }

  /** Ends the connection for good; only `open` brings it back. */
  close() {
    this.#drop(1000);
    this.#report({ name: "closed", deliberate: true, hadConnected: this.#hadConnected });
  }

  /**
   * Resolves once the service has acknowledged it; rejects with `NotDelivered`.
   *
   * @param {Delivery} delivery
   * @returns {Promise<void>}
   */
  send(delivery) {
    const socket = this.#socket;
    if (socket === null || this.#status.name !== "connected") {
      return Promise.reject(new NotDelivered("there is no connection"));
    }
    if (delivery.connectionId !== this.#connectionId) {
      delivery.connectionId = this.#connectionId;
      delivery.ackId = ++this.#lastAckId;
    }
    const { event, data, ackId } = delivery;
    const dataType = typeof data === "string" ? "text" : "json";
    return new Promise((resolve, reject) => {
      this.#pending.set(ackId, { resolve, reject });
      socket.send(JSON.stringify({ type: "event", event, dataType, data, ackId }));
    });
  }

  async #connect() {
    this.#drop();
    const attempt = this.#attempt;
    const reason = this.#status.name === "waiting" ? this.#status.reason : undefined;
    this.#report({ name: "connecting", reason });
    try {
      const url = await this.#resolveUrl();
      if (attempt === this.#attempt) {
        this.#openSocket(url);
      }
    } catch (error) {
      if (attempt === this.#attempt) {
        const sentence = error instanceof Error ? error.message : String(error);
        this.#ended({ sentence }, error instanceof Refused);
      }
    }
  }

  /** @param {string} url */
  #openSocket(url) {
    const socket = new WebSocket(url, SUBPROTOCOL);
    let opened = false;
    this.#socket = socket;
    this.#farewell = "";
    this.#handshakeTimer = setTimeout(() => {
      this.#ended({ sentence: "The service took too long to answer." }, false);
    }, HANDSHAKE_LIMIT_MS);
    socket.addEventListener("open", () => {
      opened = true;
    });
    socket.addEventListener("message", ({ data }) => {
      if (socket === this.#socket) {
        this.#receive(data);
      }
    });
    socket.addEventListener("close", ({ code, reason }) => {
      if (socket === this.#socket) {
        const { sentence, final } = explainClose(code, { opened, said: reason || this.#farewell });
        // Before anything ever worked, a failed handshake is most likely a refusal, which asking again will not change.
        this.#ended({ code, sentence }, final || !(opened || this.#hadConnected));
      }
    });
  }

  /** @param {unknown} data */
  #receive(data) {
    this.#lastHeard = Date.now();
    const frame = parseFrame(data);
    switch (frame?.type) {
      case "system":
        this.#receiveSystem(frame);
        break;
      case "ack":
        this.#receiveAck(frame);
        break;
      case "message":
        this.dispatchEvent(new CustomEvent("message", { detail: payloadOf(frame) }));
        break;
      default: // Pongs, and frames of later protocol versions.
    }
  }

  /** @param {Record<string, any>} frame */
  #receiveSystem(frame) {
    if (frame.event === "connected") {
      clearTimeout(this.#handshakeTimer);
      this.#hadConnected = true;
      this.#connectedAt = Date.now();
      this.#connectionId = String(frame.connectionId);
      this.#pingTimer = setInterval(() => this.#keepAlive(), PING_EVERY_MS);
      this.#report({ name: "connected", userId: frame.userId ?? "", connectionId: this.#connectionId });
    } else if (frame.event === "disconnected") {
      this.#farewell = typeof frame.message === "string" ? frame.message : "";
    }
  }

  /** @param {Record<string, any>} frame */
  #receiveAck(frame) {
    const pending = this.#pending.get(frame.ackId);
    this.#pending.delete(frame.ackId);
    // A duplicate is the service's word that the first copy was processed.
    if (frame.success === true || frame.error?.name === "Duplicate") {
      pending?.resolve();
    } else {
      pending?.reject(new NotDelivered(refusalOf(frame.error)));
    }
  }

  #keepAlive() {
    if (Date.now() - this.#lastHeard > SILENCE_LIMIT_MS) {
      this.#ended({ sentence: "The service stopped answering." }, false);
    } else {
      this.#socket?.send('{"type":"ping"}');
    }
  }

  /**
   * @param {Reason} reason
   * @param {boolean} final
   */
  #ended(reason, final) {
    const wasStable = this.#connectedAt > 0 && Date.now() - this.#connectedAt > STABLE_AFTER_MS;
    this.#failures = wasStable ? 0 : this.#failures;
    this.#drop();
    if (final) {
      this.#report({ name: "closed", deliberate: false, hadConnected: this.#hadConnected, reason });
      return;
    }
    const delay = backOff(this.#failures++);
    this.#retryTimer = setTimeout(() => this.#connect(), delay);
    this.#report({ name: "waiting", retryAt: Date.now() + delay, reason });
  }

  /**
   * Lets go of the socket, if any, and of everything that waits for it.
   *
   * @param {number} [code]
   */
  #drop(code) {
    this.#attempt += 1;
    clearTimeout(this.#retryTimer);
    clearTimeout(this.#handshakeTimer);
    clearInterval(this.#pingTimer);
    const socket = this.#socket;
    this.#socket = null;
    this.#connectionId = "";
    this.#connectedAt = 0;
    socket?.close(code);
    for (const pending of this.#pending.values()) {
      pending.reject(new NotDelivered("the connection was lost before the server confirmed it"));
    }
    this.#pending.clear();
  }

  /** @param {Status} status */
  #report(status) {
    this.#status = status;
    this.dispatchEvent(new CustomEvent("status", { detail: status }));
  }
}

/**
 * Doubling delays, each cut at random to between half and all of it, so that a room does not return as one.
 *
 * @param {number} failures
 */
function backOff(failures) {
  const ceiling = Math.min(LONGEST_DELAY_MS, FIRST_DELAY_MS * 2 ** failures);
  return ceiling * (0.5 + Math.random() / 2);
}

/**
 * @param {unknown} data
 * @returns {Record<string, any> | null}
 */
function parseFrame(data) {
  const frame = typeof data === "string" ? parseJson(data) : undefined;
  return typeof frame === "object" ? frame : null;
}

/**
 * @param {Record<string, any>} frame
 * @returns {unknown} JSON sent as text is read like JSON
 */
function payloadOf({ dataType, data }) {
  return dataType === "text" ? (parseJson(data) ?? data) : data;
}

/** @param {string} text */
function parseJson(text) {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** @param {{ name?: string } | undefined} error */
function refusalOf(error) {
  return error?.name === "Forbidden" ? "you may not send here" : "the server could not handle it";
}
