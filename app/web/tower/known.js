// @ts-check
import { make, part } from "../chat/elements.js";
import { nameOf, partiesOf, roleOf } from "./rules.js";

/** @import { Desk } from "./desk.js" */

const parties = part("known-parties", HTMLDataListElement);
const vehicles = part("known-vehicles", HTMLDataListElement);

/**
 * Whoever begins to fill in a field that has a list is offered who is known by then.
 *
 * @param {() => Desk | null} currentDesk
 */
export function offerKnown(currentDesk) {
  document.addEventListener("focusin", ({ target }) => {
    const desk = currentDesk();
    if (desk && target instanceof HTMLInputElement && target.list) {
      const known = new Set([...desk.board.shipments.values()].flatMap(partiesOf));
      const names = [
        ...desk.board.vehicles.keys(),
        ...[...known].filter((one) => roleOf(one) === "vehicle").map(nameOf),
      ];
      known.delete(desk.me);
      if (roleOf(desk.me) !== "tower") {
        known.add("tower");
      }
      parties.replaceChildren(...[...known].sort().map(optionOf));
      vehicles.replaceChildren(...[...new Set(names)].sort().map(optionOf));
    }
  });
}

/** @param {string} value */
function optionOf(value) {
  return Object.assign(make("option", ""), { value });
}
