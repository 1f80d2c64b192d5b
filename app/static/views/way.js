// The way of an order from the buyer to the ledger, with the current figure of each station. In a lab, faults to try.

import { empty } from "../components/empty.js";
import { choice } from "../components/field.js";
import { counted, rate, whole } from "../core/format.js";
import { h } from "../core/vdom.js";
import { drainRate, figures, hasEnded, newestBlast } from "../state/events.js";
import { fill, form } from "../state/forms.js";
import { bookedAgain, drift, EQUATION } from "./drift.js";
import { lab } from "./lab.js";
import { sendCrowd } from "./way-actions.js";

/** @import { Sale, State, Store } from "../core/types.js" */

export const title = "Way of an order";
const VIEW = "way";

/** @param {State} state @param {Store} store */
export function render(state, store) {
  const sales = Object.values(state.sales);
  if (sales.length === 0) {
    return empty(
      title,
      "There is no sale yet. Start one under “Side by side” or create one under “Sales”, and this view shows where its orders are.",
      h("p", null, h("a", { href: "#/two-sides" }, "Side by side")),
    );
  }
  const busiest = [...sales].sort(
    (one, other) =>
      (other.backlog ?? 0) - (one.backlog ?? 0) ||
      Number(other.strategy === "atomic") - Number(one.strategy === "atomic"),
  )[0];
  const latest = newestBlast(state, (name) => state.sales[name]?.strategy === "atomic")?.sale;
  const fields = form(state, VIEW, { sale: busiest.backlog || !latest ? busiest.name : latest });
  const sale = state.sales[fields.sale] ?? busiest;
  const blast = newestBlast(state, (name) => name === sale.name);
  const running = blast !== undefined && !hasEnded(blast);
  const identity = drift(sale);
  const again = bookedAgain(sale);
  return h(
    "div",
    { class: "view" },
    h(
      "section",
      { class: "stage" },
      h("h1", null, "See where every accepted order is."),
      h(
        "div",
        { class: "controls" },
        choice({
          label: "Sale",
          value: sale.name,
          options: sales.map(({ name }) => ({ value: name, label: name })),
          set: (value) => fill(store, VIEW, { sale: value }),
        }),
        h(
          "div",
          { class: "go" },
          h(
            "button",
            { class: "primary", disabled: running, onClick: () => sendCrowd(store, sale) },
            running ? "Selling…" : "Start a new round with a crowd of buyers",
          ),
        ),
      ),
    ),
    h(
      "section",
      { class: "panel" },
      stations(sale, figures(blast), drainRate(state.readings[sale.name], state.now)),
      h(
        "p",
        { class: `identity ${identity.tone}`, "data-identity": identity.tone },
        h("span", { class: "sign", "aria-hidden": "true" }),
        identity.sentence,
      ),
      h("p", { class: "hint" }, EQUATION),
      again && h("p", { class: "hint" }, again),
    ),
    state.facts?.lab && lab(state, store),
  );
}

/**
 * @param {Sale} sale @param {Partial<import("../core/types.js").LoadSummary> | null} load
 * @param {number | null} drained
 */
function stations(sale, load, drained) {
  return h(
    "ol",
    { class: "stations" },
    station("Buyers", load ? counted(load.sent ?? 0, "request") : "–", "answered in the last crowd"),
    station(
      "API",
      load ? counted(load.accepted ?? 0, "order") : "–",
      load ? `accepted, ${whole(load.sold_out)} answered “sold out”` : "accepted",
    ),
    station(
      "Gate",
      sale.remaining === null ? "away" : counted(sale.remaining, "ticket"),
      `remaining of ${whole(sale.stock)}, ${sale.phase}`,
      sale.remaining === null,
    ),
    station(
      "Stream",
      sale.backlog === null ? "away" : counted(sale.backlog, "ticket"),
      "accepted, not yet in the ledger",
      sale.backlog === null,
    ),
    station("Workers", rate(drained), "tickets into the ledger, average of 3 s"),
    station("Ledger", counted(sale.booked, "ticket"), ledgerNote(sale), sale.oversold > 0),
  );
}

/** @param {Sale} sale */
function ledgerNote(sale) {
  const others = [
    ["set aside", sale.set_aside],
    ["rejected", sale.rejected],
    ["lost", sale.lost ?? 0],
    ["oversold", sale.oversold],
  ].filter(([, count]) => count);
  return ["booked", ...others.map(([name, count]) => `${whole(Number(count))} ${name}`)].join(", ");
}

/** @param {string} name @param {string} value @param {string} note @param {boolean} [bad] */
const station = (name, value, note, bad = false) =>
  h(
    "li",
    { class: bad ? "station bad" : "station" },
    h("h2", null, name),
    h("strong", { "data-figure": name.toLowerCase() }, value),
    h("span", null, note),
  );
