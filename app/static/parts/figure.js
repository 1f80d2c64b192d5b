// One figure with its name and unit.

import { h } from "../core/vdom.js";

/**
 * @param {string} name
 * @param {string} value  as it is read, unit included where it isn't a count of what the name says
 * @param {{ tone?: "bad" | "good" | "plain", title?: string, id?: string }} [options]
 */
export function figure(name, value, { tone = "plain", title, id } = {}) {
  return h(
    "div",
    { class: `figure ${tone}`, title },
    h("dt", null, name),
    h("dd", { "data-figure": id ?? name }, value),
  );
}

/** @param {import("../core/vdom.js").Loose[]} figures */
export const figureList = (...figures) => h("dl", { class: "figures" }, figures);
