// @ts-check
/** @import { Subprotocol } from "./commands.js" */
import { hear } from "./commands.js";

// Any code but 1000 and 1001 leaves a reliable connection there for a while.
const CUT_CODE = 4000;

/**
 * @typedef {{ direction: "in" | "out" | "note", data: string | Uint8Array }} SessionFrame
 * @typedef {{ name: "idle" | "connecting" | "connected" } | { name: "closed", code: number, reason: string }} SessionStatus
 */

/**
 * One connection of the test client. It does not come back by itself: what happens is what the person made happen.
 *
 * Events: `status` (detail: `SessionStatus`) and `frame` (detail: `SessionFrame`).
 */
export class Session extends EventTarget {
  /** @type {WebSocket | null} */
  #socket = null;
  #url = "";
  /** @type {Subprotocol | null} */
  #subprotocol = null;
  #token = "";
  #sequenceId = 0;
  connectionId = "";
  acknowledges = true;

  /** A reliable connection that was cut, and may still be there. */
  get canReturn() {
    return this.#socket === null && this.#subprotocol?.reliable === true && this.#token !== "";
  }

  /**
   * @param {string} url
   * @param {Subprotocol} subprotocol
   */
  open(url, subprotocol) {
    this.#url = url;
    this.#subprotocol = subprotocol;
    this.#token = this.connectionId = "";
    this.#sequenceId = 0;
    this.#connect(url);
  }

  /** Back to the connection that was cut; the service sends again what was not acknowledged. */
  comeBack() {
    const url = new URL(this.#url);
    url.search = "";
    url.searchParams.set("awps_connection_id", this.connectionId);
    url.searchParams.set("awps_reconnection_token", this.#token);
    this.#connect(url.href);
  }

  /** @param {string | Uint8Array<ArrayBuffer>} frame */
  send(frame) {
    this.#socket?.send(frame);
    this.#tell("out", frame);
  }

  close() {
    this.#token = "";
    this.#socket?.close(1000);
  }

  /** As if the network were gone: without a goodbye. */
  cut() {
    this.#socket?.close(CUT_CODE);
  }

  /** @param {string} url */
  #connect(url) {
    const name = this.#subprotocol?.name;
    const socket = new WebSocket(url, name ? [name] : []);
    socket.binaryType = "arraybuffer";
    this.#socket = socket;
    this.#report({ name: "connecting" });
    socket.addEventListener("open", () => this.#report({ name: "connected" }));
    socket.addEventListener("message", ({ data }) => {
      this.#receive(typeof data === "string" ? data : new Uint8Array(data));
    });
    socket.addEventListener("close", ({ code, reason }) => {
      this.#socket = null;
      this.#report({ name: "closed", code, reason });
    });
  }

  /** @param {string | Uint8Array} frame */
  #receive(frame) {
    this.#tell("in", frame);
    const commands = this.#subprotocol?.commands;
    if (!commands) {
      return;
    }
    const { connectionId, reconnectionToken, sequenceId } = hear(frame);
    if (connectionId && !this.connectionId) {
      this.connectionId = connectionId;
      this.#report({ name: "connected" });
    }
    this.#token = reconnectionToken || this.#token;
    if (typeof sequenceId === "number" && this.acknowledges && this.#subprotocol?.reliable) {
      this.#sequenceId = Math.max(this.#sequenceId, sequenceId);
      this.send(commands.sequenceAck(this.#sequenceId));
    }
  }

  /**
   * @param {SessionFrame["direction"]} direction
   * @param {string | Uint8Array} data
   */
  #tell(direction, data) {
    this.dispatchEvent(new CustomEvent("frame", { detail: { direction, data } }));
  }

  /** @param {SessionStatus} status */
  #report(status) {
    this.dispatchEvent(new CustomEvent("status", { detail: status }));
  }
}
