// The views by the name that stands in the address. Another one is a module and a line here.

import * as byHand from "./by-hand.js";
import * as compare from "./compare.js";
import * as raceLens from "./race-lens.js";
import * as sales from "./sales.js";
import * as twoSides from "./two-sides.js";
import * as way from "./way.js";

/** @type {import("../parts/frame.js").Views} */
export const VIEWS = {
  "two-sides": twoSides,
  "race-lens": raceLens,
  way,
  sales,
  compare,
  "by-hand": byHand,
};
