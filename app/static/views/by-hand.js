// A form that buys with an idempotency key: press the button twice, or press it in several tabs at the same moment.

import { choice, numberField, textField } from "../components/field.js";
import { figure, figureList } from "../components/figure.js";
import { counted, milliseconds, whole } from "../core/format.js";
import { h } from "../core/vdom.js";
import { fill, form } from "../state/forms.js";
import { buy, buyInAllTabs, createSale, joinOtherTabs, newKey, VIEW } from "./by-hand-actions.js";

/** @import { Sale, State, Store } from "../core/types.js" */

export const title = "Buy by hand";

/** @param {State} state @param {Store} store */
export function render(state, store) {
  const sales = Object.values(state.sales)
    .filter((sale) => sale.phase !== "Closed")
    .sort(
      (one, other) =>
        Number(other.phase === "Open") - Number(one.phase === "Open") ||
        Number(other.strategy === "atomic") - Number(one.strategy === "atomic"),
    );
  const fields = form(state, VIEW, {
    sale: sales[0]?.name ?? "",
    customer: "ada",
    quantity: 1,
    key: newKey(),
    answers: [],
    tabs: 1,
  });
  if (!fields.listening) queueMicrotask(() => joinOtherTabs(store, fields));
  const sale = state.sales[fields.sale];
  return h(
    "div",
    { class: "view by-hand" },
    h(
      "section",
      { class: "stage" },
      h("h1", null, "Press “Buy” twice, and you buy once."),
      h(
        "p",
        { class: "lead" },
        "Every purchase carries an idempotency key that the buyer chooses. Requests with the same key are one purchase, no matter how many you send, from how many tabs, and which process they reach.",
      ),
      sales.length === 0 ? noSale(store) : purchaseForm(store, fields, sales),
    ),
    sale && saleFigures(sale),
    answerTable(fields),
  );
}

/** @param {Store} store */
const noSale = (store) =>
  h(
    "p",
    null,
    h("button", { class: "primary", onClick: () => createSale(store) }, "Put ten tickets on sale"),
    h("span", { class: "hint" }, " There is no sale yet."),
  );

/** @param {Store} store @param {Record<string, any>} fields @param {Sale[]} sales */
function purchaseForm(store, fields, sales) {
  const set = (/** @type {string} */ name) => (/** @type {any} */ value) => fill(store, VIEW, { [name]: value });
  return h(
    "form",
    {
      class: "controls",
      onSubmit: (/** @type {Event} */ event) => {
        event.preventDefault();
        buy(store, fields);
      },
    },
    choice({
      label: "Sale",
      value: fields.sale,
      options: sales.map(({ name }) => ({ value: name, label: name })),
      set: set("sale"),
    }),
    textField({
      label: "Customer",
      value: fields.customer,
      pattern: "[A-Za-z0-9][A-Za-z0-9._:@+\\-]{0,63}",
      set: set("customer"),
    }),
    numberField({ label: "Quantity", value: fields.quantity, unit: "tickets", min: 1, max: 100, set: set("quantity") }),
    textField({ label: "Idempotency key", value: fields.key, pattern: "[!-~]{1,255}", set: set("key") }),
    h(
      "div",
      { class: "go" },
      h("button", { class: "primary", type: "submit" }, "Buy"),
      h(
        "button",
        { type: "button", onClick: () => buyInAllTabs(store, fields) },
        fields.tabs > 1 ? `Buy in all ${fields.tabs} tabs at once` : "Buy in all tabs at once",
      ),
      h("button", { type: "button", onClick: () => fill(store, VIEW, { key: newKey() }) }, "Make a new key"),
    ),
    h(
      "p",
      { class: "hint wide" },
      fields.tabs > 1
        ? `${whole(fields.tabs)} tabs show this view.`
        : "Open this view in more tabs, for example in eight. They all buy at the same moment, with the same key.",
    ),
  );
}

/** @param {Sale} sale */
const saleFigures = (sale) =>
  h(
    "section",
    { class: "panel", "aria-label": `The sale ${sale.name}` },
    figureList(
      figure("Phase", sale.phase, { id: "phase" }),
      figure("Stock", counted(sale.stock, "ticket"), { id: "stock" }),
      figure("Remaining", sale.remaining === null ? "–" : counted(sale.remaining, "ticket"), { id: "remaining" }),
      figure("Booked in the ledger", counted(sale.booked, "ticket"), { id: "booked" }),
      figure("On the way to the ledger", sale.backlog === null ? "–" : counted(sale.backlog, "ticket"), {
        id: "backlog",
      }),
    ),
  );

/** @param {Record<string, any>} fields */
function answerTable({ answers }) {
  if (answers.length === 0) return null;
  const distinct = new Set(answers.map((/** @type {any} */ answer) => answer.reservation_id).filter(Boolean)).size;
  return h(
    "section",
    { class: "panel" },
    h("h2", null, `${counted(answers.length, "answer")}, ${counted(distinct, "reservation")}`),
    h(
      "div",
      { class: "scroll", tabindex: "0", role: "region", "aria-label": "Answers" },
      h(
        "table",
        null,
        h(
          "thead",
          null,
          h(
            "tr",
            null,
            ["Answer", "Key", "Replayed", "Reservation"].map((name) => h("th", { scope: "col" }, name)),
            h("th", { scope: "col", class: "number" }, "Response time"),
          ),
        ),
        h("tbody", null, answers.map(row)),
      ),
    ),
  );
}

/** @param {any} answer */
const row = (answer) =>
  h(
    "tr",
    { key: answer.id },
    h("td", { class: answer.ok ? "" : "bad" }, answer.text),
    h("td", null, h("code", null, answer.key)),
    h("td", null, answer.ok ? (answer.replayed ? "↻ replayed" : "first time") : "–"),
    h("td", null, answer.reservation_id ? h("code", null, answer.reservation_id) : "–"),
    h("td", { class: "number" }, milliseconds(answer.took_ms)),
  );
