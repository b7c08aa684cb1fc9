// @ts-check
import { make, part } from "../chat/elements.js";
import { glyph } from "./glyphs.js";

/** @import { Kind } from "./glyphs.js" */

/** @type {[Kind, string][]} */
const SIGNS = [
  ["idle", "without a load"],
  ["waiting", "not on the road"],
  ["departed", "on the road"],
  ["delayed", "delayed"],
  ["exception", "exception"],
  ["arrived", "arrived"],
  ["alerted", "open alert"],
];

/** What the signs on the map mean. */
export function fillLegend() {
  part("legend", HTMLUListElement).append(
    ...SIGNS.map(([kind, words]) => {
      const item = make("li", "", words);
      item.prepend(glyph(kind));
      return item;
    }),
  );
}
