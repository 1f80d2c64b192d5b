// Two strategies side by side, with the same crowd of buyers at the same moment.

import { chart } from "../components/chart.js";
import { choice, numberField } from "../components/field.js";
import { figure, figureList } from "../components/figure.js";
import { emptySeats, peopleWithoutSeat, seats } from "../components/seats.js";
import { counted, milliseconds, rate, whole } from "../core/format.js";
import { h } from "../core/vdom.js";
import { figures, hasEnded, newestBlast } from "../state/events.js";
import { fill, form } from "../state/forms.js";
import { cancel, run, saleOf, VIEW } from "./two-sides-actions.js";
import { verdict } from "./verdict.js";

/** @import { Blast, Point, Sale, State, Store } from "../core/types.js" */

export const title = "Side by side";

const SIDES = /** @type {const} */ (["left", "right"]);

/** Returns the values that the user has chosen, or else those of the last run, by any user. @param {State} state */
function fieldsOf(state) {
  const names = (state.facts?.strategies ?? []).map(({ name }) => name);
  const last = { left: lastStrategy(state, "left"), right: lastStrategy(state, "right") };
  return form(state, VIEW, {
    left: last.left ?? names[0],
    right: last.right ?? (names.includes("atomic") ? "atomic" : names.at(-1)),
    stock: 10,
    requests: 100,
    concurrency: 100,
    think_ms: 50,
    customers: "",
    retries: 0,
    busy: false,
  });
}

/** Returns the strategy of the last run on a side. @param {State} state @param {"left" | "right"} side */
function lastStrategy(state, side) {
  const prefix = saleOf(side, "");
  return newestBlast(state, (sale) => sale.startsWith(prefix))?.sale.slice(prefix.length);
}

/** @param {State} state @param {Store} store */
export function render(state, store) {
  const fields = fieldsOf(state);
  const blasts = SIDES.map((side) => newestBlast(state, (sale) => sale === saleOf(side, fields[side])));
  const running = blasts.some((blast) => blast && !hasEnded(blast));
  return h(
    "div",
    { class: "two-sides" },
    h(
      "section",
      { class: "stage" },
      h(
        "h1",
        null,
        h("em", null, counted(Number(fields.requests) || 0, "person", "people")),
        " want ",
        h("em", null, counted(Number(fields.stock) || 0, "ticket")),
        ".",
      ),
      h(
        "p",
        { class: "lead" },
        "Both sides get the same crowd at the same moment, over real HTTP. The tickets sold are counted from the ledger.",
      ),
      controls(state, store, fields, running, blasts),
    ),
    h(
      "div",
      { class: "sides" },
      SIDES.map((side, index) => sidePanel(state, store, fields, side, blasts[index], running)),
    ),
    curvePanels(state, fields, blasts),
  );
}

/**
 * @param {State} state @param {Store} store @param {Record<string, any>} fields @param {boolean} running
 * @param {(Blast | undefined)[]} blasts
 */
function controls(state, store, fields, running, blasts) {
  const set = (/** @type {string} */ name) => (/** @type {string} */ value) => fill(store, VIEW, { [name]: value });
  const locked = running || fields.busy;
  const number = (/** @type {string} */ name, /** @type {string} */ label, /** @type {any} */ more) =>
    numberField({ label, value: fields[name], set: set(name), disabled: locked, ...more });
  /** @param {Event} event */
  function start(event) {
    event.preventDefault();
    run(store, fields);
  }
  return h(
    "form",
    { class: "controls", onSubmit: start },
    number("requests", "Buyers", { unit: "requests", min: 1, max: 100_000 }),
    number("stock", "Stock", { unit: "tickets", min: 1, max: 100_000 }),
    number("concurrency", "At the same time", { unit: "requests", min: 1, max: 1_000 }),
    number("think_ms", "Think time", { unit: "ms", min: 0, max: 10_000 }),
    number("customers", "Customers", {
      unit: "people",
      min: 1,
      max: 100_000,
      required: false,
      hint: "Leave empty for one per request",
    }),
    number("retries", "Retries", { unit: "per request", min: 0, max: 10 }),
    h(
      "div",
      { class: "go" },
      h(
        "button",
        { class: "primary", type: "submit", disabled: locked || state.connection.status !== "open" },
        running ? "Selling…" : fields.busy ? "Preparing…" : "Start both sales",
      ),
      running && h("button", { type: "button", onClick: () => cancel(store, blasts) }, "Cancel"),
    ),
  );
}

/**
 * @param {State} state @param {Store} store @param {Record<string, any>} fields @param {"left" | "right"} side
 * @param {Blast | undefined} blast @param {boolean} running
 */
function sidePanel(state, store, fields, side, blast, running) {
  const sale = state.sales[saleOf(side, fields[side])];
  const strategies = (state.facts?.strategies ?? []).map(({ name, promises_exactness }) => ({
    value: name,
    label: promises_exactness ? name : `${name} (unsafe)`,
  }));
  return h(
    "section",
    { class: `side ${side}`, "aria-label": `${side === "left" ? "Left" : "Right"} side: ${fields[side]}` },
    choice({
      label: side === "left" ? "Left: strategy" : "Right: strategy",
      value: fields[side],
      options: strategies,
      disabled: running || fields.busy,
      set: (value) => fill(store, VIEW, { [side]: value }),
    }),
    sale ? outcome(sale, blast) : forecast(state, fields, side),
  );
}

/**
 * Shows, before the first run, what will happen.
 * @param {State} state @param {Record<string, any>} fields @param {"left" | "right"} side
 */
function forecast(state, fields, side) {
  const strategy = (state.facts?.strategies ?? []).find(({ name }) => name === fields[side]);
  const stock = Math.max(0, Number(fields.stock) || 0);
  const buyers = counted(Number(fields.requests) || 0, "buyer");
  let expected = `This strategy does not promise to sell exactly ${counted(stock, "ticket")}.`;
  if (strategy?.promises_exactness)
    expected = `${counted(Math.min(stock, Number(fields.requests)), "ticket")} will be sold, and everyone else will be answered “sold out”.`;
  else if (fields[side].startsWith("naive"))
    expected = `Many will read “${whole(stock)} left” before the first of them writes, and all of those will get a ticket.`;
  return [h("p", { class: "hint first" }, `${buyers} will ask at once. ${expected}`), emptySeats(stock)];
}

/** @param {Sale} sale @param {Blast | undefined} blast */
function outcome(sale, blast) {
  const load = figures(blast);
  const ended = !blast || hasEnded(blast);
  const { tone, sentence } = verdict(sale, ended);
  return [
    h(
      "p",
      { class: `verdict ${tone}`, "data-verdict": tone },
      h("span", { class: "sign", "aria-hidden": "true" }),
      sentence,
    ),
    load?.failure && h("p", { class: "hint bad" }, load.failure),
    seats(sale),
    peopleWithoutSeat(sale),
    progress(blast),
    figureList(
      figure("Answered “reserved”", whole(load?.accepted), { id: "accepted" }),
      figure("Answered “sold out”", whole(load?.sold_out), { id: "sold_out" }),
      figure("No answer, or 5xx", whole(load?.errors), { id: "errors" }),
      figure("Booked in the ledger", whole(sale.booked), { id: "booked", tone: sale.oversold > 0 ? "bad" : "plain" }),
      figure("Oversold", whole(sale.oversold), { id: "oversold", tone: sale.oversold > 0 ? "bad" : "good" }),
      figure("Sold, according to the counter", whole(sale.counter_says), { id: "counter_says" }),
    ),
    figureList(
      figure("Answered", rate(load?.answered_per_second), { id: "answered_per_second" }),
      figure("Latency p50", milliseconds(load?.latency_ms?.p50), { id: "p50" }),
      figure("p95", milliseconds(load?.latency_ms?.p95), { id: "p95" }),
      figure("p99", milliseconds(load?.latency_ms?.p99), { id: "p99" }),
    ),
  ];
}

/** @param {Blast | undefined} blast */
function progress(blast) {
  if (!blast) return null;
  const sent = figures(blast)?.sent ?? 0;
  const words = {
    queued: "waiting for the blast runner",
    running: "running",
    finished: "finished",
    cancelled: "cancelled",
    aborted: "aborted",
  };
  return h(
    "p",
    { class: "progress" },
    h("progress", { max: blast.requests, value: sent, "aria-label": "Requests answered" }),
    h("span", null, `${whole(sent)} of ${counted(blast.requests, "request")}, ${words[blast.state]}`),
  );
}

/**
 * Shows the curves of both sides in the same charts.
 * @param {State} state @param {Record<string, any>} fields @param {(Blast | undefined)[]} blasts
 */
function curvePanels(state, fields, blasts) {
  const curves = blasts.map((blast) => (blast ? (state.curves[blast.id] ?? []) : []));
  if (curves.every((curve) => curve.length === 0)) return null;
  const panel = (
    /** @type {string} */ heading,
    /** @type {string} */ unit,
    /** @type {(point: Point) => number} */ figureOf,
    /** @type {string} */ id,
  ) =>
    h(
      "section",
      { class: "panel" },
      h("h2", null, heading),
      chart({
        id,
        available: state.facts?.charts ?? false,
        label: `${heading} over the run, for both sides; the figures above have the last value.`,
        configure: (colour) =>
          lineChart(curves, [`${fields.left} (left)`, `${fields.right} (right)`], unit, figureOf, colour),
      }),
    );
  return [
    h(
      "div",
      { class: "panels" },
      panel("Latency p99 so far", "ms", (point) => point.p99, "chart-latency"),
      panel("Answered per second so far", "purchases/s", (point) => point.answered_per_second, "chart-answered"),
    ),
    h(
      "p",
      { class: "hint" },
      "Both crowds share the same processes, so each slows the other down. A race measures one strategy at a time: see Compare.",
    ),
  ];
}

/**
 * @param {Point[][]} curves @param {string[]} names @param {string} unit @param {(point: Point) => number} figureOf
 * @param {(name: string) => string} colour
 */
function lineChart(curves, names, unit, figureOf, colour) {
  const text = colour("text-quiet");
  const axis = (/** @type {string} */ title) => ({
    title: { display: true, text: title, color: text },
    ticks: { color: text },
    grid: { color: colour("line") },
  });
  return {
    type: "line",
    data: {
      datasets: curves.map((curve, index) => ({
        label: names[index],
        data: curve.map((point) => ({ x: point.seconds, y: figureOf(point) })),
        borderColor: colour(index === 0 ? "left" : "right"),
        backgroundColor: colour(index === 0 ? "left" : "right"),
        borderDash: index === 0 ? [6, 4] : [],
        borderWidth: 2,
        pointRadius: curve.length === 1 ? 4 : 0, // a blast that ends before its second report has a single point
      })),
    },
    options: {
      plugins: { legend: { labels: { color: colour("text"), usePointStyle: true, pointStyle: "line" } } },
      scales: {
        x: { type: "linear", beginAtZero: true, ...axis("seconds since the start") },
        y: { beginAtZero: true, ...axis(unit) },
      },
    },
  };
}
