// All sales, with the phase of each and whether it adds up.

import { choice, numberField, textField } from "../components/field.js";
import { figure, figureList } from "../components/figure.js";
import { clock, counted, whole } from "../core/format.js";
import { h } from "../core/vdom.js";
import { fill, form } from "../state/forms.js";
import { bookedAgain, drift, EQUATION } from "./drift.js";
import { create, end, reset, setPaused } from "./sales-actions.js";

/** @import { Resource, Sale, State, Store } from "../core/types.js" */

export const title = "Sales";
const VIEW = "sales";

/** @param {State} state @param {Store} store */
export function render(state, store) {
  const sales = Object.values(state.sales).sort((one, other) => one.name.localeCompare(other.name));
  return h(
    "div",
    { class: "view" },
    h(
      "section",
      { class: "stage" },
      h("h1", null, h("em", null, counted(sales.length, "sale"))),
      creationForm(state, store),
    ),
    sales.length === 0
      ? h(
          "p",
          { class: "hint" },
          "No sale is open or has orders to drain. Create one above, or start two under “Side by side”.",
        )
      : h(
          "div",
          { class: "cards" },
          sales.map((sale) => card(sale, store)),
        ),
  );
}

/** @param {State} state @param {Store} store */
function creationForm(state, store) {
  const fields = form(state, VIEW, {
    name: "concert",
    strategy: "atomic",
    stock: 10,
    customer_limit: "",
    think_ms: 50,
  });
  const set = (/** @type {string} */ name) => (/** @type {string} */ value) => fill(store, VIEW, { [name]: value });
  const strategies = (state.facts?.strategies ?? []).map(({ name }) => ({ value: name, label: name }));
  return h(
    "form",
    {
      class: "controls",
      onSubmit: (/** @type {Event} */ event) => {
        event.preventDefault();
        create(store, fields);
      },
    },
    textField({
      label: "Name",
      value: fields.name,
      pattern: "[a-z0-9]([a-z0-9\\-]{0,61}[a-z0-9])?",
      set: set("name"),
      hint: "a-z, 0-9 and -",
    }),
    choice({ label: "Strategy", value: fields.strategy, options: strategies, set: set("strategy") }),
    numberField({ label: "Stock", unit: "tickets", value: fields.stock, min: 1, max: 100_000_000, set: set("stock") }),
    numberField({
      label: "Limit per customer",
      unit: "tickets",
      value: fields.customer_limit,
      min: 1,
      max: 100_000_000,
      required: false,
      set: set("customer_limit"),
      hint: "Leave empty for no limit",
    }),
    numberField({ label: "Think time", unit: "ms", value: fields.think_ms, min: 0, max: 10_000, set: set("think_ms") }),
    h("div", { class: "go" }, h("button", { class: "primary", type: "submit" }, "Create the sale")),
  );
}

/** @param {Sale} sale @param {Store} store */
function card(sale, store) {
  const identity = drift(sale);
  const again = bookedAgain(sale);
  return h(
    "article",
    { class: "panel card", key: sale.name },
    h("header", null, h("h2", null, sale.name), h("span", { class: `phase ${sale.phase.toLowerCase()}` }, sale.phase)),
    h(
      "p",
      { class: "hint" },
      `${sale.strategy}, round ${whole(sale.round)}, epoch ${whole(sale.epoch)}${windowText(sale)}`,
    ),
    figureList(
      figure("Stock", whole(sale.stock)),
      figure("Remaining", whole(sale.remaining)),
      figure("Backlog", whole(sale.backlog)),
      figure("Set aside", whole(sale.set_aside), { tone: sale.set_aside ? "bad" : "plain" }),
      figure("Booked", whole(sale.booked)),
      figure("Oversold", whole(sale.oversold), { tone: sale.oversold ? "bad" : "plain" }),
      figure("Rejected", whole(sale.rejected)),
      figure("Lost", whole(sale.lost), { tone: sale.lost ? "bad" : "plain" }),
      again && figure("Booked again", whole(sale.rebooked), { title: again }),
    ),
    h(
      "p",
      { class: `identity ${identity.tone}`, title: EQUATION },
      h("span", { class: "sign", "aria-hidden": "true" }),
      identity.sentence,
    ),
    sale.managed_by === "flashsale" ? managed(sale) : !sale.ended_at && actions(sale, store),
  );
}

/** @param {Sale} sale */
function windowText(sale) {
  if (sale.opens_at && new Date(sale.opens_at) > new Date()) return `, opens at ${clock(sale.opens_at)}`;
  return sale.closes_at ? `, closes at ${clock(sale.closes_at)}` : "";
}

/** @param {Sale} sale @param {Store} store */
const actions = (sale, store) =>
  h(
    "div",
    { class: "go" },
    h(
      "button",
      { onClick: () => reset(store, sale.name), "aria-label": `Start the next round of ${sale.name}` },
      "Next round",
    ),
    h(
      "button",
      {
        onClick: () => setPaused(store, sale.name, !sale.paused),
        "aria-label": `${sale.paused ? "Resume" : "Pause"} ${sale.name}`,
      },
      sale.paused ? "Resume" : "Pause",
    ),
    h("button", { class: "danger", onClick: () => end(store, sale.name), "aria-label": `End ${sale.name}` }, "End"),
  );

/** Shows the resource that manages the sale, and the command to change it. @param {Sale} sale */
function managed({ name, round, paused, resource, ended_at }) {
  if (ended_at)
    return h("p", { class: "hint" }, "Its FlashSale resource was deleted. Apply it again to start the next round.");
  return [
    resource
      ? resourceStatus(resource)
      : h("p", { class: "hint" }, "The operator has not reported on this sale lately. Ask Kubernetes with:"),
    !resource && h("code", { class: "command" }, `kubectl describe flashsale ${name}`),
    h("p", { class: "hint" }, "A FlashSale resource manages this sale. Start its next round with:"),
    patchCommand(name, { round: round + 1 }),
    h("p", { class: "hint" }, paused ? "Resume it with:" : "Pause it with:"),
    patchCommand(name, { paused: !paused }),
  ];
}

/** @param {string} name @param {Record<string, any>} spec */
const patchCommand = (name, spec) =>
  h("code", { class: "command" }, `kubectl patch flashsale ${name} --type merge -p '${JSON.stringify({ spec })}'`);

const TONES = { True: "good", False: "", Unknown: "" };
// The other conditions are False at some time in every sale.
const EXPECTED_TRUE = new Set(["Ready", "LedgerConsistent"]);

/** @param {Resource} resource */
const resourceStatus = ({ workers, conditions = [] }) => [
  workers &&
    figureList(
      figure("Workers desired", whole(workers.desired)),
      figure("Workers in pool", whole(workers.pool)),
      figure("Workers ready", whole(workers.ready)),
    ),
  conditions.map(({ type, status, reason, message }) =>
    h(
      "p",
      { class: `identity ${status === "False" && EXPECTED_TRUE.has(type) ? "bad" : TONES[status]}`, title: message },
      h("span", { class: "sign", "aria-hidden": "true" }),
      `${type}: ${status}, ${reason}`,
    ),
  ),
];
