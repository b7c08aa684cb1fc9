// @ts-check
/** @import { ConnectionState, HubState, Snapshot, Target } from "./protocol.js" */
import { ConnectionItem } from "./connection-item.js";
import { arrange, button, make, oncePerFrame, setText, snippet } from "./dom.js";
import { counted } from "./words.js";

const CONNECTIONS_AT_ONCE = 100;
const GROUPS_AT_ONCE = 30;
const AGES_EVERY_MS = 1_000;

/**
 * @typedef {object} HubActions
 * @property {(hub: string, target: Target) => void} sendTo
 * @property {(hub: string, connectionId: string, reason: string) => Promise<void>} close
 * @property {(connectionId: string) => void} showTraffic
 */

/** Who is there: the hubs, their event handlers, groups and connections. */
export class HubsPanel {
  /** @type {Map<string, HubView>} */
  #views = new Map();
  /** @type {HubState[]} */
  #hubs = [];
  #wanted = "";
  #render = oncePerFrame(() => this.#redraw());

  /**
   * @param {object} parts
   * @param {HTMLElement} parts.list
   * @param {HTMLElement} parts.counts
   * @param {HTMLElement} parts.empty
   * @param {HTMLInputElement} parts.search
   * @param {HubActions} actions
   */
  constructor({ list, counts, empty, search }, actions) {
    this.list = list;
    this.counts = counts;
    this.empty = empty;
    this.actions = actions;
    search.addEventListener("input", () => {
      this.#wanted = search.value.trim().toLowerCase();
      this.#render();
    });
    setInterval(() => {
      if (!document.hidden) {
        this.#views.forEach((view) => view.tellAges());
      }
    }, AGES_EVERY_MS);
  }

  /** @param {Snapshot} snapshot */
  update({ hubs }) {
    this.#hubs = hubs;
    this.#render();
  }

  #redraw() {
    const views = this.#hubs.map((hub) => {
      const view = this.#views.get(hub.name) ?? new HubView(hub.name, this.actions, this.#render);
      this.#views.set(hub.name, view);
      view.update(hub, this.#wanted);
      return view;
    });
    for (const [name, view] of this.#views) {
      if (!views.includes(view)) {
        this.#views.delete(name);
      }
    }
    arrange(this.list, views.map((view) => view.element));
    this.empty.hidden = views.length > 0;
    const connections = this.#hubs.reduce((sum, hub) => sum + sizeOf(hub), 0);
    setText(this.counts, `${counted(views.length, "hub")}, ${counted(connections, "connection")}`);
  }
}

class HubView {
  element = make("details", "hub");
  #limit = CONNECTIONS_AT_ONCE;
  /** @type {Map<string, ConnectionItem>} */
  #connections = new Map();
  /** @type {Map<string, { element: HTMLElement, members: HTMLElement }>} */
  #groups = new Map();
  #head = make("summary");
  #numbers = make("span", "numbers");
  #handlers = make("div", "handlers");
  #handlersTold = "";
  #groupTitle = make("h4", "", "Groups");
  #groupList = make("ul", "groups");
  #groupRest = make("p", "hint");
  #connectionTitle = make("h4", "", "Connections");
  #connectionList = make("ul", "connections");
  #none = make("p", "hint");
  #leftOut = make("p", "hint");
  #more = button("", () => {
    this.#limit += CONNECTIONS_AT_ONCE;
    this.changed();
  }, "link");

  /**
   * @param {string} name
   * @param {HubActions} actions
   * @param {() => void} changed
   */
  constructor(name, actions, changed) {
    this.name = name;
    this.actions = actions;
    this.changed = changed;
    this.element.open = true;
    this.#head.append(make("h3", "", name), this.#numbers);
    const inside = make("div", "hub-inside");
    inside.append(this.#handlers, this.#groupTitle, this.#groupList, this.#groupRest);
    inside.append(this.#connectionTitle, this.#connectionList, this.#none, this.#more, this.#leftOut);
    this.element.append(this.#head, inside);
  }

  /**
   * @param {HubState} hub
   * @param {string} wanted in lower case; empty is everything
   */
  update(hub, wanted) {
    setText(this.#numbers, `${counted(sizeOf(hub), "connection")}, ${counted(hub.groups.length, "group")}`);
    this.#tellHandlers(hub);
    const groups = hub.groups.filter(({ name }) => name.toLowerCase().includes(wanted));
    this.#groupTitle.hidden = this.#groupList.hidden = groups.length === 0;
    this.#tellGroups(groups);
    const connections = hub.connections.filter((one) => fits(one, wanted));
    this.#tellConnections(connections);
    this.#none.hidden = connections.length > 0;
    this.#leftOut.hidden = !hub.leftOut;
    setText(this.#leftOut, `Not told of here: ${counted(hub.leftOut ?? 0, "more connection")}.`);
    setText(this.#none, wanted ? "No connection fits the filter." : "Nobody is connected.");
  }

  tellAges() {
    this.#connections.forEach((item) => item.tellAge());
  }

  /** @param {HubState} hub */
  #tellHandlers({ handlers }) {
    const told = JSON.stringify(handlers);
    if (told === this.#handlersTold) {
      return;
    }
    this.#handlersTold = told;
    if (handlers.length === 0) {
      this.#handlers.replaceChildren(
        make("p", "hint", "No event handler: events of this hub go nowhere. Start the service with one:"),
        snippet(`webpubsub local --hub ${this.name} --event-handler http://localhost:8080/eventhandler`),
      );
      return;
    }
    this.#handlers.replaceChildren(
      ...handlers.map(({ url, system, user }) => {
        const line = make("p", "handler");
        const events = [...system, user && `user events ${user}`].filter(Boolean).join(", ");
        line.append(make("code", "", url), make("span", "hint", events || "no events"));
        return line;
      }),
    );
  }

  /** @param {{ name: string, members: number }[]} groups */
  #tellGroups(groups) {
    const shown = groups.slice(0, GROUPS_AT_ONCE);
    const elements = shown.map(({ name, members }) => {
      const group = this.#groups.get(name) ?? this.#makeGroup(name);
      setText(group.members, counted(members, "member"));
      return group.element;
    });
    arrange(this.#groupList, elements);
    const kept = new Set(shown.map(({ name }) => name));
    for (const name of this.#groups.keys()) {
      if (!kept.has(name)) {
        this.#groups.delete(name);
      }
    }
    const rest = groups.length - elements.length;
    this.#groupRest.hidden = rest === 0;
    setText(this.#groupRest, `${counted(rest, "more group")}: the filter finds them.`);
  }

  /** @param {string} name */
  #makeGroup(name) {
    const element = make("li", "group");
    const members = make("span", "numbers");
    const send = button("Send to", () => this.actions.sendTo(this.name, { kind: "group", name }), "link");
    send.ariaLabel = `Send to group ${name}`;
    element.append(make("bdi", "name", name), members, send);
    const group = { element, members };
    this.#groups.set(name, group);
    return group;
  }

  /** @param {ConnectionState[]} connections */
  #tellConnections(connections) {
    const shown = connections.slice(0, this.#limit);
    const items = shown.map((connection) => {
      const item = this.#connections.get(connection.id) ?? new ConnectionItem(this.name, connection, this.actions);
      this.#connections.set(connection.id, item);
      item.update(connection);
      return item;
    });
    const kept = new Set(shown.map(({ id }) => id));
    const hadFocus = this.#connectionList.contains(document.activeElement);
    arrange(this.#connectionList, items.map((item) => item.element));
    for (const id of this.#connections.keys()) {
      if (!kept.has(id)) {
        this.#connections.delete(id);
      }
    }
    if (hadFocus && !this.#connectionList.contains(document.activeElement)) {
      this.#head.focus({ preventScroll: true }); // the connection it was in is gone
    }
    const rest = connections.length - shown.length;
    this.#more.hidden = rest === 0;
    setText(this.#more, `Show more (${rest} left)`);
  }
}

/** @param {HubState} hub */
const sizeOf = ({ connections, leftOut }) => connections.length + (leftOut ?? 0);

/**
 * @param {ConnectionState} connection
 * @param {string} wanted
 */
function fits({ id, userId, groups, subprotocol }, wanted) {
  return !wanted || [id, userId, subprotocol, ...groups].some((text) => text?.toLowerCase().includes(wanted));
}
