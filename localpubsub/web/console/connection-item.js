// @ts-check
/** @import { ConnectionState } from "./protocol.js" */
/** @import { HubActions } from "./hubs.js" */
import { sentenceOf } from "./api.js";
import { button, copyButton, make, setText } from "./dom.js";
import { age, shortened } from "./words.js";

/** One connection: a line, and unfolded what it may do and what can be done with it. */
export class ConnectionItem {
  element = make("li");
  #fold = make("details", "connection");
  #user = make("bdi", "name");
  #short = make("code", "short-id");
  #age = make("span", "numbers");
  #inside = make("div", "connection-inside");
  #facts = make("dl", "facts");
  #note = make("p", "note-line");
  #told = "";

  /**
   * @param {string} hub
   * @param {ConnectionState} connection
   * @param {HubActions} actions
   */
  constructor(hub, connection, actions) {
    this.hub = hub;
    this.connection = connection;
    this.actions = actions;
    const head = make("summary");
    head.append(this.#user, this.#short, this.#age);
    this.#fold.append(head);
    this.element.append(this.#fold);
    this.#note.role = "alert";
    // With a thousand of them, most are never unfolded.
    this.#fold.addEventListener("toggle", () => this.#unfold(), { once: true });
  }

  /** @param {ConnectionState} connection */
  update(connection) {
    this.connection = connection;
    const { id, userId } = connection;
    setText(this.#user, userId || "no user");
    this.#user.classList.toggle("nobody", !userId);
    setText(this.#short, shortened(id, 8));
    this.#short.title = id;
    this.tellAge();
    if (this.#inside.isConnected) {
      this.#tellFacts();
    }
  }

  tellAge() {
    setText(this.#age, age(Date.now() - this.connection.since));
  }

  #unfold() {
    const { id } = this.connection;
    const actions = make("p", "actions");
    actions.append(
      button("Send to", () => this.actions.sendTo(this.hub, { kind: "connection", name: id })),
      button("Show traffic", () => this.actions.showTraffic(id)),
      copyButton("Copy id", () => id),
    );
    this.#inside.append(this.#facts, actions, this.#closeForm(id), this.#note);
    this.#fold.append(this.#inside);
    this.#tellFacts();
  }

  /** @param {string} id */
  #closeForm(id) {
    const form = make("form", "close-form");
    const reason = make("input");
    reason.ariaLabel = "Reason";
    reason.placeholder = "Reason";
    reason.value = "closed from the console";
    reason.maxLength = 120;
    const close = make("button", "quiet danger", "Close");
    close.ariaLabel = `Close connection ${id}`;
    form.append(reason, close);
    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      close.disabled = true;
      setText(this.#note, "");
      try {
        await this.actions.close(this.hub, id, reason.value);
      } catch (error) {
        setText(this.#note, sentenceOf(error));
      }
      close.disabled = false;
    });
    return form;
  }

  #tellFacts() {
    const { id, subprotocol, groups, permissions } = this.connection;
    const facts = [
      ["Id", id],
      ["Speaks", subprotocol || "raw"],
      ["Groups", groups.join(", ") || "none"],
      ["May send to", allowance(permissions?.sendToGroup)],
      ["May join", allowance(permissions?.joinLeaveGroup)],
    ];
    const told = JSON.stringify(facts);
    if (told !== this.#told) {
      this.#told = told;
      this.#facts.replaceChildren(...facts.flatMap(([name, value]) => [make("dt", "", name), make("dd", "", value)]));
    }
  }
}

/**
 * @param {unknown} permission everything, nothing, or a list of groups
 * @returns {string}
 */
function allowance(permission) {
  if (Array.isArray(permission)) {
    return permission.join(", ") || "no group";
  }
  if (typeof permission === "string") {
    return permission;
  }
  return permission ? "every group" : "no group";
}
