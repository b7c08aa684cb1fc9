// @ts-check

/** @import { Shipment, State } from "./shapes.js" */

/**
 * @typedef {"tower" | "warehouse" | "transporter" | "vehicle" | "customer"} Role
 * @typedef {"tower" | "origin" | "destination" | "customer" | "transporter" | "vehicle"} Relation to a shipment
 * @typedef {"vehicle" | "minutes" | "reason" | "remark"} Field `remark` is a reason that may be left out
 *
 * @typedef {object} Deed an event of a shipment that somebody raises
 * @property {string} event
 * @property {string} word on its button
 * @property {readonly State[]} from
 * @property {readonly Relation[]} by
 * @property {readonly Field[]} fields
 * @property {boolean} isStep whether it brings the shipment nearer to its end
 */

export const PARTY_NAME = /^[A-Za-z0-9._-]{1,64}$/;
export const LONGEST_MESSAGE = 2_000;

/** The server decides; this is what is offered. @type {readonly Deed[]} */
const DEEDS = [
  deed("picked", "Picked", ["created"], ["origin"]),
  deed("loaded", "Loaded", ["picked"], ["origin"], ["vehicle"]),
  deed("departed", "Departed", ["loaded"], ["vehicle", "transporter"]),
  deed("arrived", "Arrived", ["departed", "delayed"], ["vehicle", "transporter"]),
  deed("delivered", "Delivered", ["arrived"], ["vehicle", "transporter", "destination"]),
  deed("resolved", "Resolved", ["exception"], ["tower"], ["remark"]),
  {
    ...deed("delayed", "Delayed", ["departed", "delayed"], ["vehicle", "transporter", "tower"], ["minutes", "reason"]),
    isStep: false,
  },
  {
    ...deed(
      "exception",
      "Exception",
      ["created", "picked", "loaded", "departed", "delayed", "arrived"],
      ["tower", "origin", "destination", "customer", "transporter", "vehicle"],
      ["reason"],
    ),
    isStep: false,
  },
];

/** @type {Record<Role, readonly Role[]>} */
const MAY_TELL = {
  tower: ["warehouse", "transporter", "vehicle", "customer"],
  warehouse: ["tower", "warehouse", "transporter"],
  transporter: ["tower", "warehouse", "vehicle", "customer"],
  vehicle: ["tower", "transporter"],
  customer: ["tower", "transporter"],
};

/**
 * @param {string} event
 * @param {string} word
 * @param {State[]} from
 * @param {Relation[]} by
 * @param {Field[]} fields
 * @returns {Deed}
 */
function deed(event, word, from, by, fields = []) {
  return { event, word, from, by, fields, isStep: true };
}

/** @param {string} party also `tower`, which stands for all of them */
export function roleOf(party) {
  return /** @type {Role} */ (party.split(":", 1)[0]);
}

/** @param {string} party */
export function nameOf(party) {
  return party.slice(party.indexOf(":") + 1);
}

/** @param {string} party in words */
export function partyWords(party) {
  const role = roleOf(party);
  return party === role ? `the ${role}` : `${role} ${nameOf(party)}`;
}

/**
 * @param {Shipment} shipment
 * @param {string} me
 */
export function deedsFor(shipment, me) {
  const mine = relationsOf(shipment, me);
  return DEEDS.filter(({ from, by }) => from.includes(shipment.state) && by.some((relation) => mine.has(relation)));
}

/**
 * @param {Shipment} shipment
 * @param {string} me
 * @returns {Deed | undefined} what it waits for, from me
 */
export function nextStep(shipment, me) {
  return deedsFor(shipment, me).find(({ isStep }) => isStep);
}

/** @param {Shipment} shipment */
export function partiesOf({ origin, destination, customer, transporter, vehicle }) {
  return [...new Set([origin, destination, transporter, vehicle, customer])].filter((party) => party !== "");
}

/**
 * @param {Shipment} shipment
 * @param {string} me
 * @returns {string[]} to whom I may write about it
 */
export function listenersFor(shipment, me) {
  const parties = roleOf(me) === "tower" ? [] : ["tower"];
  return [...parties, ...partiesOf(shipment)].filter((party) => party !== me && mayTell(me, party));
}

/**
 * @param {string} from
 * @param {string} to
 */
export function mayTell(from, to) {
  return MAY_TELL[roleOf(from)]?.includes(roleOf(to)) ?? false;
}

/**
 * @param {Shipment} shipment
 * @param {string} me
 * @returns {Set<Relation>}
 */
function relationsOf(shipment, me) {
  /** @type {Set<Relation>} */
  const relations = new Set();
  if (roleOf(me) === "tower") {
    relations.add("tower");
  }
  for (const relation of /** @type {const} */ (["origin", "destination", "customer", "transporter", "vehicle"])) {
    if (shipment[relation] === me) {
      relations.add(relation);
    }
  }
  return relations;
}
