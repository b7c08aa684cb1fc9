// @ts-check
import { part } from "../chat/elements.js";
import { AlertList } from "./alerts.js";
import { ChartsView } from "./charts.js";
import { Desk } from "./desk.js";
import { DetailPanel } from "./detail.js";
import { hideDoor, openDoor, showDoor, showKnocking } from "./door.js";
import { Figures } from "./figures.js";
import { offerKnown } from "./known.js";
import { fillLegend } from "./legend.js";
import { LiveMap } from "./map.js";
import { listenOn } from "./map-input.js";
import { MessageList } from "./messages.js";
import { Network } from "./network.js";
import { PlanDialog } from "./plan-dialog.js";
import { roleOf } from "./rules.js";
import { StatusLine } from "./status-line.js";
import { StepList } from "./steps.js";
import { ShipmentTable } from "./table.js";
import { Tabs } from "./tabs.js";

/** @import { Status } from "../connection.js" */
/** @import { Part } from "./board.js" */
/** @import { Detail } from "./wire.js" */

// Lists in which everything moves all the time cannot be read.
const LISTS_EVERY_MS = 500;
const TICK_MS = 1_000;

const floor = part("floor", HTMLElement);
const leaveButton = part("leave", HTMLButtonElement);
const planButton = part("plan-open", HTMLButtonElement);

/** @type {Desk | null} */
let desk = null;
/** @type {Network | null} */
let network = null;
let isDrawingPlanned = false;
/** @type {Set<Part>} */
const waiting = new Set();
let listsTimer = 0;

const statusLine = new StatusLine(() => desk?.connection.open());
const figures = new Figures();
const tabs = new Tabs(floor);
const map = new LiveMap({ select, search });
const table = new ShipmentTable({ select });
const alerts = new AlertList({ select });
const messages = new MessageList({ select });
const steps = new StepList({ select });
const charts = new ChartsView();
const detail = new DetailPanel({ closed: closeDetail, learned });
const plan = new PlanDialog({ planned: select });

/** @param {string} party */
function comeIn(party) {
  const opened = new Desk(party);
  desk = opened;
  /** @type {Record<string, (detail: any) => void>} */
  const reactions = {
    status: showStatus,
    change: drawSoon,
    alert: (alert) => alerts.announce(alert),
    current: () => {
      drawAll();
      network?.retry();
      detail.reload();
    },
  };
  for (const [event, react] of Object.entries(reactions)) {
    opened.addEventListener(event, (happened) => {
      if (opened === desk && happened instanceof CustomEvent) {
        react(happened.detail);
      }
    });
  }
  opened.connection.open();
}

/** @param {string} [why] empty for who leaves of their own accord */
function goOut(why = "") {
  desk = null;
  network = null;
  floor.hidden = true;
  leaveButton.hidden = true;
  figures.hide();
  alerts.open(null);
  map.open(null);
  detail.show(null, "");
  statusLine.show({ name: "idle" }, null);
  showKnocking({ name: "idle" });
  showDoor(why || "You have left the tower.", { isCalm: why === "" });
}

/** @param {Status} status */
function showStatus(status) {
  showKnocking(status);
  if (status.name === "closed" && (status.deliberate || !status.hadConnected)) {
    goOut(status.reason?.sentence);
    return;
  }
  if ((status.name === "connected" || status.name === "waiting") && floor.hidden) {
    openFloor();
  }
  statusLine.show(status, desk);
  floor.dataset.stale = String(desk?.staleSince !== null);
}

function openFloor() {
  if (!desk) {
    return;
  }
  const role = roleOf(desk.me);
  network = new Network(desk);
  const opened = network;
  opened.addEventListener("change", () => {
    if (opened === network) {
      map.showNetwork(opened);
    }
  });
  hideDoor();
  floor.dataset.role = role;
  floor.dataset.detail = "false";
  floor.hidden = false;
  leaveButton.hidden = false;
  planButton.hidden = role !== "tower" && role !== "warehouse";
  tabs.open(role);
  map.open(desk);
  map.showNetwork(opened);
  table.open(desk.board);
  alerts.open(desk);
  messages.open(desk);
  steps.open(desk);
  charts.show(null, desk.board.now);
  drawAll();
  part("shipments-heading", HTMLElement).focus({ preventScroll: true });
}

// A burst of news is drawn once a frame; a page nobody sees has no frames.
function drawSoon() {
  if (!isDrawingPlanned) {
    isDrawingPlanned = true;
    if (document.hidden) {
      setTimeout(draw, TICK_MS);
    } else {
      requestAnimationFrame(draw);
    }
  }
}

function draw() {
  isDrawingPlanned = false;
  if (!desk || floor.hidden) {
    return;
  }
  const { changes } = desk.board;
  statusLine.show(desk.connection.status, desk);
  floor.dataset.stale = String(desk.staleSince !== null);
  if (changes.has("vehicles") || changes.has("shipments") || changes.has("alerts")) {
    map.refresh();
  }
  changes.forEach((change) => waiting.add(change));
  changes.clear();
  listsTimer ||= setTimeout(drawLists, LISTS_EVERY_MS);
}

function drawAll() {
  for (const change of /** @type {const} */ (["shipments", "alerts", "vehicles", "messages", "charts"])) {
    desk?.board.changes.add(change);
  }
  draw();
  drawLists();
}

function drawLists() {
  clearTimeout(listsTimer);
  listsTimer = 0;
  if (!desk || floor.hidden) {
    return;
  }
  if (waiting.has("alerts")) {
    alerts.refresh();
  }
  if (waiting.has("shipments") || waiting.has("alerts")) {
    table.refresh();
    steps.refresh();
    network?.explore();
  }
  if (waiting.has("messages")) {
    messages.refresh();
  }
  if (waiting.has("charts")) {
    charts.show(desk.board.charts, desk.board.now);
  }
  detail.refresh();
  figures.show(desk);
  waiting.clear();
}

/** @param {string} id of a shipment */
function select(id) {
  detail.show(desk, id);
  floor.dataset.detail = "true";
  table.showSelected(id);
  map.showSelected(desk?.board.shipments.get(id) ?? null);
}

function closeDetail() {
  const { id } = detail;
  detail.show(desk, "");
  floor.dataset.detail = "false";
  table.showSelected("");
  map.showSelected(null);
  table.focusOn(id);
}

/** @param {Detail} learnt */
function learned(learnt) {
  network?.learn(learnt);
  map.showSelected(learnt.shipment, learnt.route, learnt.track);
}

/** @param {string} text */
function search(text) {
  table.search(text);
  tabs.show("shipments");
}

leaveButton.addEventListener("click", () => desk?.leave());
planButton.addEventListener("click", () => {
  if (desk && network) {
    plan.open(desk, network);
  }
});
addEventListener("online", () => {
  if (desk?.connection.status.name === "waiting") {
    desk.connection.open();
  }
});
setInterval(() => {
  if (desk && !floor.hidden) {
    table.refresh();
    alerts.tick();
    detail.refresh();
    figures.show(desk);
  }
}, TICK_MS);

fillLegend();
offerKnown(() => desk);
listenOn(map, part("map", HTMLElement));
statusLine.show({ name: "idle" }, null);
openDoor(comeIn);
