// @ts-check
/** @import { FeedStatus } from "./feed.js" */
/** @import { HubState, Snapshot } from "./protocol.js" */
import { command } from "./api.js";
import { ChaosPanel } from "./chaos.js";
import { Chart } from "./chart.js";
import { TestClient } from "./client.js";
import { find, setText, snippet } from "./dom.js";
import { Feed } from "./feed.js";
import { HubsPanel } from "./hubs.js";
import { Panels } from "./panels.js";
import { PublishForm } from "./publish.js";
import { startTokenForm } from "./token.js";
import { Traffic } from "./traffic.js";
import { counted } from "./words.js";

const SAID_FOR_MS = 6_000;
// The key `webpubsub local` has unless it is given another one.
const DEFAULT_KEY = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789ABCDEFGH";
const WORDS = { connecting: "Connecting", connected: "Live", waiting: "Not connected" };

const feed = new Feed(new URL(`${location.protocol === "https:" ? "wss:" : "ws:"}//${location.host}/console/feed`));
const panels = new Panels();
const traffic = new Traffic(say);
const publish = new PublishForm();
const chart = new Chart(find("chart"), find("chart-peak"));
const chaos = new ChaosPanel(tellChaos);
const hubs = new HubsPanel(
  {
    list: find("hub-list"),
    counts: find("hub-counts"),
    empty: find("hubs-empty"),
    search: find("hub-filter", HTMLInputElement),
  },
  {
    sendTo: (hub, target) => {
      panels.openTool("tool-publish");
      publish.prepare(hub, target);
    },
    close: async (hub, connectionId, reason) => {
      await command("close", { hub, connectionId, reason });
      say("The connection was closed.");
    },
    showTraffic,
  },
);
let retryTimer = 0;
let sayTimer = 0;
let toldEndpoint = "";

/** @param {string} connectionId */
function showTraffic(connectionId) {
  traffic.showConnection(connectionId);
  panels.closeDrawers();
}

/**
 * @param {string} sentence
 * @param {boolean} [isProblem]
 */
function say(sentence, isProblem = false) {
  const toast = find("toast");
  toast.classList.toggle("problem", isProblem);
  setText(toast, sentence);
  clearTimeout(sayTimer);
  sayTimer = setTimeout(() => setText(toast, ""), SAID_FOR_MS);
}

/** @param {number | null} rules */
function tellChaos(rules) {
  const isOffered = rules !== null;
  const tab = find("tab-chaos");
  if (!isOffered && tab.ariaSelected === "true") {
    panels.openTool("tool-client");
  }
  tab.hidden = !isOffered;
  find("chaos-warning").hidden = !rules;
  setText(find("chaos-warning"), counted(rules ?? 0, "fault"));
}

/** @param {FeedStatus} status */
function tellFeed(status) {
  const state = find("state");
  state.dataset.state = status.name;
  setText(find("state-word"), WORDS[status.name]);
  clearInterval(retryTimer);
  if (status.name === "waiting") {
    find("notice").hidden = false;
    setText(find("notice-reason"), status.reason);
    const tellPlan = () => {
      const seconds = Math.max(1, Math.ceil((status.retryAt - Date.now()) / 1_000));
      setText(find("notice-plan"), `Trying again in ${seconds} s.`);
    };
    tellPlan();
    retryTimer = setInterval(tellPlan, 1_000);
  } else if (status.name === "connecting") {
    setText(find("notice-plan"), "Trying now.");
  } else {
    const hadFocus = document.activeElement === find("retry");
    find("notice").hidden = true;
    if (hadFocus) {
      traffic.tree.focus();
    }
    traffic.begin();
    chaos.refresh();
  }
}

/** @param {Snapshot} snapshot */
function tellSnapshot(snapshot) {
  hubs.update(snapshot);
  traffic.update(snapshot);
  tellHubNames(snapshot.hubs);
  if (snapshot.endpoint !== toldEndpoint) {
    toldEndpoint = snapshot.endpoint;
    setText(find("endpoint"), snapshot.endpoint);
    const connection = `Endpoint=${snapshot.endpoint};AccessKey=${DEFAULT_KEY};Version=1.0;`;
    find("connection-string").replaceChildren(snippet(`export WebPubSubConnectionString='${connection}'`));
    find("hub-command").replaceChildren(
      snippet("webpubsub local --hub chat --event-handler http://localhost:8080/eventhandler"),
    );
  }
}

/** @param {HubState[]} all */
function tellHubNames(all) {
  const names = all.map(({ name }) => name);
  const list = find("hub-names");
  if (JSON.stringify([...list.children].map((one) => one.getAttribute("value"))) === JSON.stringify(names)) {
    return;
  }
  list.replaceChildren(...names.map((name) => new Option(undefined, name)));
  for (const field of /** @type {NodeListOf<HTMLInputElement>} */ (document.querySelectorAll("[data-hub]"))) {
    if (field.value === "") {
      field.value = names[0] ?? "";
    }
  }
}

feed.addEventListener("status", (event) => tellFeed(/** @type {CustomEvent<FeedStatus>} */ (event).detail));
feed.addEventListener("message", (event) => {
  const { message, characters } = /** @type {CustomEvent<{ message: any, characters: number }>} */ (event).detail;
  switch (message.type) {
    case "snapshot":
      tellSnapshot(message);
      break;
    case "records":
      traffic.add(message.records, characters);
      break;
    case "rates":
      chart.add(message);
      break;
    default: // What a later service may tell.
  }
});
find("retry").addEventListener("click", () => feed.open());
find("chaos-warning").addEventListener("click", () => panels.openTool("tool-chaos"));
find("tab-chaos").addEventListener("click", () => chaos.refresh());
new TestClient(showTraffic);
startTokenForm();
feed.open();
