// A figure with its name and unit, and lists of figures.

import { h } from "../core/vdom.js";

/**
 * @param {string} name
 * @param {string} value  formatted, with its unit unless the name says what is counted
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

/** @param {import("../core/vdom.js").Content[]} figures */
export const figureList = (...figures) => h("dl", { class: "figures" }, figures);
