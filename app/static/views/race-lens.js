// The attempts of a round as windows in time, with a lane for each process. If two attempts read the same version and
// both wrote, one update is lost.

import { empty } from "../components/empty.js";
import { choice } from "../components/field.js";
import { figure, figureList } from "../components/figure.js";
import { counted, milliseconds, whole } from "../core/format.js";
import { h } from "../core/vdom.js";
import { newestBlast } from "../state/events.js";
import { fill, form } from "../state/forms.js";
import { laneOf, nearest, ROW_PX, schedule } from "./gantt.js";
import { paint, positionOf } from "./gantt-canvas.js";
import { NO_EVIDENCE, refreshEvidence, VIEW } from "./race-lens-actions.js";

/** @import { Attempt, Evidence, State, Store, Witness } from "../core/types.js" */

export const title = "Race lens";
const ZOOMS = [1, 2, 4, 8, 16];

/** @param {State} state @param {Store} store */
export function render(state, store) {
  const unsafe = new Set(
    state.facts?.strategies.filter((strategy) => !strategy.promises_exactness).map((strategy) => strategy.name),
  );
  const sales = Object.values(state.sales).filter((sale) => unsafe.has(sale.strategy));
  if (sales.length === 0) {
    return empty(
      title,
      "Only strategies that do not promise exactness record their attempts. Start “Side by side” with naive on one side, and this view shows its race.",
      h("p", null, h("a", { href: "#/two-sides" }, "Side by side")),
    );
  }
  const mostOversold = [...sales].sort((one, other) => other.oversold - one.oversold)[0];
  const latest = newestBlast(state, (name) => sales.some((sale) => sale.name === name))?.sale;
  const fields = form(state, VIEW, {
    sale: latest ?? mostOversold.name,
    zoom: 1,
    chosen: null,
    hovered: null,
    evidence: NO_EVIDENCE,
  });
  const sale = state.sales[fields.sale] ?? mostOversold;
  queueMicrotask(() => refreshEvidence(store, sale.name));
  /** @type {Evidence} */
  const evidence = fields.evidence.sale === sale.name ? fields.evidence : NO_EVIDENCE;
  return h(
    "div",
    { class: "view lens" },
    h(
      "section",
      { class: "stage" },
      h("h1", null, headline(evidence)),
      h(
        "div",
        { class: "controls" },
        choice({
          label: "Sale",
          value: sale.name,
          options: sales.map(({ name }) => ({ value: name, label: name })),
          set: (value) => fill(store, VIEW, { sale: value, chosen: null }),
        }),
        choice({
          label: "Zoom",
          value: String(fields.zoom),
          options: ZOOMS.map((zoom) => ({ value: String(zoom), label: `×${zoom}` })),
          set: (value) => fill(store, VIEW, { zoom: Number(value) }),
        }),
      ),
    ),
    evidence.attempts.length === 0 ? noAttempts(sale.name, evidence) : windows(store, fields, evidence),
  );
}

/** @param {Evidence} evidence */
const headline = ({ attempts, total }) =>
  attempts.length === 0
    ? "See where the race happens"
    : [h("em", null, counted(total, "collision")), ` in ${counted(attempts.length, "window")}.`];

/** @param {string} sale @param {Evidence} evidence */
function noAttempts(sale, { sale: fetchedSale, problem }) {
  if (fetchedSale !== sale) return h("p", { class: "hint" }, `Fetching the attempts of ${sale}.`);
  return h(
    "p",
    { class: "hint" },
    problem ?? `This round of ${sale} has no attempts yet. They appear here as soon as buyers come.`,
  );
}

/** @param {Store} store @param {Record<string, any>} fields @param {Evidence} evidence */
function windows(store, fields, evidence) {
  const plan = schedule(evidence.attempts);
  const chosen = evidence.attempts.find((each) => each.number === fields.chosen) ?? null;
  const pair = chosen && pairOf(chosen, evidence.witnesses);
  const hovered = evidence.attempts.find((each) => each.number === fields.hovered) ?? null;
  const hover = (/** @type {number | null} */ number) =>
    number !== fields.hovered && fill(store, VIEW, { hovered: number });
  return [
    h(
      "section",
      { class: "panel" },
      h(
        "div",
        { class: "lanes" },
        h(
          "ol",
          { class: "lane-names", "aria-hidden": "true" },
          plan.lanes.map((lane) =>
            h("li", { style: { "--rows": lane.rows, "--row": `${ROW_PX}px` }, title: lane.name }, lane.name),
          ),
        ),
        h(
          "div",
          { class: "scroll" },
          h("canvas", {
            tabindex: "0",
            role: "application",
            "aria-label": `${counted(evidence.attempts.length, "attempt")} in ${counted(plan.lanes.length, "lane")}. The arrow keys step through the attempts. The pair is shown below.`,
            style: { "--zoom": fields.zoom, "--rows": plan.rows, "--row": `${ROW_PX}px` },
            draw: (/** @type {HTMLCanvasElement} */ canvas) =>
              paint(canvas, plan, { collided: evidence.collided, chosen, pair, hovered }),
            onPointermove: (/** @type {any} */ event) => hover(nearest(plan, positionOf(event))?.number ?? null),
            onPointerleave: () => hover(null),
            onClick: (/** @type {any} */ event) =>
              fill(store, VIEW, { chosen: nearest(plan, positionOf(event))?.number ?? null }),
            onKeydown: (/** @type {any} */ event) => step(store, evidence.attempts, event),
          }),
        ),
      ),
      legend(plan.seconds),
      h("p", { class: "hovered", "aria-live": "polite" }, description(hovered ?? chosen)),
    ),
    h(
      "section",
      { class: "panel" },
      figureList(
        figure("Windows", counted(evidence.attempts.length, "attempt")),
        figure("Wrote", counted(evidence.written, "attempt")),
        figure("Collisions", counted(evidence.total, "pair"), {
          id: "collisions",
          tone: evidence.total > 0 ? "bad" : "good",
        }),
        figure("Lanes", counted(plan.lanes.length, "process", "processes")),
      ),
    ),
    chosen && collision(chosen, pair, evidence.trace_url),
  ];
}

/** Returns the first pair that includes the attempt. @param {Attempt} attempt @param {Witness[]} witnesses */
function pairOf(attempt, witnesses) {
  const found = witnesses.find(
    ({ first, second }) => second.number === attempt.number || first.number === attempt.number,
  );
  return found ?? null;
}

/** @param {Store} store @param {Attempt[]} attempts @param {KeyboardEvent} event */
function step(store, attempts, event) {
  const direction = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
  if (direction === undefined) return;
  event.preventDefault();
  const { chosen } = form(store.get(), VIEW, { chosen: null });
  const index = attempts.findIndex((each) => each.number === chosen);
  fill(store, VIEW, { chosen: attempts[Math.min(attempts.length - 1, Math.max(0, index + direction))].number });
}

/** @param {number} seconds */
const legend = (seconds) =>
  h(
    "p",
    { class: "hint legend" },
    h("span", { class: "key" }, h("span", { class: "swatch", "aria-hidden": "true" }), "read … write"),
    h(
      "span",
      { class: "key" },
      h("span", { class: "swatch collided", "aria-hidden": "true" }),
      "collided: another attempt read the same version, and both wrote",
    ),
    h("span", { class: "key" }, `From left to right: ${milliseconds(seconds * 1000)}`),
  );

/** @param {Attempt | null} attempt */
function description(attempt) {
  if (!attempt) return "Point at an attempt, or step through the attempts with the arrow keys.";
  const { number, version_read, value_read, version_written, value_written, read_at, wrote_at } = attempt;
  const wrote =
    wrote_at === null
      ? "wrote nothing"
      : `wrote ${value_written === null ? "" : `${whole(value_written)} as `}version ${version_written} after ${milliseconds((wrote_at - read_at) * 1000)}`;
  return `Attempt ${number} on ${laneOf(attempt)} read ${whole(value_read)} (version ${version_read}) and ${wrote}.`;
}

/** @param {Attempt} chosen @param {Witness | null} pair @param {string | null} traceUrl */
function collision(chosen, pair, traceUrl) {
  if (!pair)
    return h("section", { class: "panel" }, h("h2", null, `Attempt ${chosen.number} has no recorded collision.`));
  const rows = [
    ["Process", (/** @type {Attempt} */ each) => laneOf(each)],
    ["Version read", (/** @type {Attempt} */ each) => each.version_read],
    ["Value read", (/** @type {Attempt} */ each) => whole(each.value_read)],
    ["Value written", (/** @type {Attempt} */ each) => whole(each.value_written)],
    ["Version written", (/** @type {Attempt} */ each) => each.version_written ?? "–"],
    ["Window", (/** @type {Attempt} */ each) => milliseconds(((each.wrote_at ?? each.read_at) - each.read_at) * 1000)],
    ["Reservation", (/** @type {Attempt} */ each) => h("code", null, each.reservation_id ?? "–")],
    ["Trace", (/** @type {Attempt} */ each) => trace(each, traceUrl)],
  ];
  return h(
    "section",
    { class: "panel", "aria-live": "polite" },
    h("h2", null, `${pair.hazard}: both read version ${pair.first.version_read}, and both wrote.`),
    h(
      "div",
      { class: "scroll", tabindex: "0", role: "region", "aria-label": "The pair" },
      h(
        "table",
        null,
        h(
          "thead",
          null,
          h(
            "tr",
            null,
            h("th", { scope: "col" }, "Property"),
            [pair.first, pair.second].map((each) => h("th", { scope: "col" }, `Attempt ${each.number}`)),
          ),
        ),
        h(
          "tbody",
          null,
          rows.map(([name, valueIn]) =>
            h(
              "tr",
              null,
              h("th", { scope: "row" }, /** @type {string} */ (name)),
              [pair.first, pair.second].map((each) => h("td", null, /** @type {any} */ (valueIn)(each))),
            ),
          ),
        ),
      ),
    ),
  );
}

/** @param {Attempt} attempt @param {string | null} url */
function trace({ trace_id }, url) {
  if (!trace_id) return "not traced";
  if (!url) return h("code", null, trace_id);
  return h("a", { href: url.replace("{trace_id}", trace_id), target: "_blank", rel: "noreferrer" }, "Open in Jaeger");
}
