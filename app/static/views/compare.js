// A comparison of the strategies, from the report of a race.

import { chart } from "../components/chart.js";
import { choice } from "../components/field.js";
import { counted, whole } from "../core/format.js";
import { h } from "../core/vdom.js";
import { fill, form } from "../state/forms.js";
import { exportCsv, exportJson, exportPng, open, openKept, readKept, VIEW } from "./compare-actions.js";
import { COLUMNS, columnNamed, medianOf, sorted, verdictOf } from "./compare-table.js";

/** @import { Column } from "./compare-table.js" */
/** @import { Entry, RaceReport, State, Store } from "../core/types.js" */

export const title = "Compare";

/** @param {State} state @param {Store} store */
export function render(state, store) {
  const fields = form(state, VIEW, {
    report: null,
    name: "",
    kept: [],
    bars: "answered_per_second",
    by: "answered_per_second",
    down: true,
  });
  if (state.facts?.lab && fields.visit !== state.visits) queueMicrotask(() => readKept(store, state.visits));
  /** @type {RaceReport | null} */
  const report = fields.report;
  return h(
    "div",
    { class: "view compare" },
    h(
      "section",
      { class: "stage" },
      h(
        "h1",
        null,
        report
          ? [h("em", null, counted(report.race.length, "strategy", "strategies")), ", the same crowd."]
          : "Compare the strategies",
      ),
      h(
        "p",
        { class: "lead" },
        report
          ? crowdText(report)
          : `A race sends the same crowd of buyers to every strategy. Run one, ${state.facts?.lab ? "and its report appears here" : "then open its report here"}:`,
      ),
      !report && h("code", { class: "command" }, `atomictickets race${state.facts?.lab ? "" : " --json race.json"}`),
      h(
        "div",
        { class: "go" },
        h(
          "label",
          { class: "file" },
          "Open a report",
          h("input", {
            type: "file",
            accept: "application/json,.json",
            onChange: (/** @type {any} */ event) => open(store, event.target.files[0]),
          }),
        ),
        fields.kept.length > 0 &&
          choice({
            label: "Race",
            value: fields.name,
            options: [...new Set([fields.name, ...fields.kept])]
              .filter(Boolean)
              .map((name) => ({ value: name, label: name })),
            set: (name) => fields.kept.includes(name) && openKept(store, name),
          }),
        report && h("button", { onClick: () => exportJson(report) }, "JSON"),
        report && h("button", { onClick: () => exportCsv(report) }, "CSV"),
        report && state.facts?.charts && h("button", { onClick: () => exportPng("chart-compare") }, "PNG"),
      ),
    ),
    report && bars(state, store, fields, report),
    report && matrix(store, fields, report),
  );
}

/** @param {RaceReport} report */
function crowdText({ workload, started_at, interrupted }) {
  const { requests, stock, think_ms, repeat, api_processes } = workload;
  const thinking = think_ms === undefined ? "" : `, ${whole(Number(think_ms))} ms think time`;
  const runs = `${interrupted ? "interrupted, at most " : ""}${counted(Number(repeat), "run")}`;
  return `${counted(Number(requests), "buyer")} for ${counted(Number(stock), "ticket")}${thinking}, ${runs}, ${counted(Number(api_processes), "API process", "API processes")}; started at ${started_at}. All figures are medians.`;
}

/** @param {State} state @param {Store} store @param {Record<string, any>} fields @param {RaceReport} report */
function bars(state, store, fields, report) {
  const column = columnNamed(fields.bars);
  const entries = sorted(report.race, column, true).filter((entry) => medianOf(entry, column) !== null);
  return h(
    "section",
    { class: "panel" },
    h(
      "div",
      { class: "controls" },
      choice({
        label: "Bars show",
        value: column.name,
        options: COLUMNS.map(({ name, title: label, unit }) => ({
          value: name,
          label: unit ? `${label} (${unit})` : label,
        })),
        set: (value) => fill(store, VIEW, { bars: value }),
      }),
    ),
    h(
      "div",
      { style: { "--bars": entries.length }, class: "bars" },
      chart({
        id: "chart-compare",
        available: state.facts?.charts ?? false,
        label: `${column.title} of each strategy; the table below has the figures.`,
        configure: (colour) => barChart(entries, column, colour),
      }),
    ),
  );
}

/** @param {Entry[]} entries @param {Column} column @param {(name: string) => string} colour */
function barChart(entries, column, colour) {
  const text = colour("text");
  return {
    type: "bar",
    data: {
      labels: entries.map((entry) => `${entry.exact ? "✓" : "✗"} ${entry.strategy}`),
      datasets: [
        {
          label: column.title,
          data: entries.map((entry) => medianOf(entry, column)),
          backgroundColor: entries.map((entry) => colour(entry.exact ? "right" : "bad")),
        },
      ],
    },
    options: {
      indexAxis: "y",
      plugins: { legend: { display: false } },
      scales: {
        x: {
          beginAtZero: true,
          title: { display: true, text: column.unit || column.title, color: text },
          ticks: { color: text },
          grid: { color: colour("line") },
        },
        y: { ticks: { color: text, autoSkip: false }, grid: { display: false } },
      },
    },
  };
}

/** @param {Store} store @param {Record<string, any>} fields @param {RaceReport} report */
function matrix(store, fields, report) {
  const by = columnNamed(fields.by);
  return h(
    "section",
    { class: "panel scroll", tabindex: "0", role: "region", "aria-label": "All figures" },
    h(
      "table",
      null,
      h("caption", { class: "hint" }, "Select a heading to sort by its column."),
      h(
        "thead",
        null,
        h(
          "tr",
          null,
          h("th", { scope: "col" }, "Strategy"),
          h("th", { scope: "col" }, "Verdict"),
          COLUMNS.map((column) => heading(store, column, by, fields.down)),
        ),
      ),
      h("tbody", null, sorted(report.race, by, fields.down).map(row)),
    ),
  );
}

/** @param {Store} store @param {Column} column @param {Column} by @param {boolean} down */
function heading(store, column, by, down) {
  const isSorted = column.name === by.name;
  const order = isSorted ? (down ? "descending" : "ascending") : null;
  return h(
    "th",
    { scope: "col", class: "number", "aria-sort": order, key: column.name },
    h(
      "button",
      { class: "sort", onClick: () => fill(store, VIEW, { by: column.name, down: isSorted ? !down : true }) },
      column.title,
      column.unit && ` (${column.unit})`,
      isSorted && h("span", { "aria-hidden": "true" }, down ? " ↓" : " ↑"),
    ),
  );
}

/** @param {Entry} entry */
function row(entry) {
  const { good, text } = verdictOf(entry);
  return h(
    "tr",
    { key: entry.strategy },
    h("th", { scope: "row" }, entry.strategy),
    h("td", { class: good ? "good" : "bad" }, `${good ? "✓" : "✗"} ${text}`),
    COLUMNS.map((column) => {
      const value = medianOf(entry, column);
      return h(
        "td",
        { class: "number" },
        value === null ? "–" : column.digits ? value.toFixed(column.digits) : whole(value),
      );
    }),
  );
}
