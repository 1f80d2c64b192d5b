// All views by their name in the address. To add a view, write a module and add a line here.

import * as byHand from "./by-hand.js";
import * as compare from "./compare.js";
import * as raceLens from "./race-lens.js";
import * as sales from "./sales.js";
import * as twoSides from "./two-sides.js";
import * as way from "./way.js";

/** @type {import("../components/frame.js").Views} */
export const VIEWS = {
  "two-sides": twoSides,
  "race-lens": raceLens,
  way,
  sales,
  compare,
  "by-hand": byHand,
};
