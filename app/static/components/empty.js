// The content of a view that has nothing to show yet: a title, and advice on what to do.

import { h } from "../core/vdom.js";

/** @param {string} title @param {string} advice @param {import("../core/vdom.js").Content[]} more */
export const empty = (title, advice, ...more) =>
  h("section", { class: "empty" }, h("h1", null, title), h("p", null, advice), more);
