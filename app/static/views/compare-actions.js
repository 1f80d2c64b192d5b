// Opens reports of races, and exports them.

import { request } from "../core/api.js";
import { fill, form } from "../state/forms.js";
import { notify, notifyIfRefused } from "../state/notices.js";
import { csv } from "./compare-table.js";

/** @import { RaceReport, Store } from "../core/types.js" */

export const VIEW = "compare";
const LIMIT_BYTES = 20_000_000;

/** Opens the report that the user has chosen. @param {Store} store @param {File | undefined} file */
export async function open(store, file) {
  if (!file) return;
  const report = file.size <= LIMIT_BYTES ? parseReport(await file.text()) : null;
  if (report) fill(store, VIEW, { report, name: file.name });
  else
    notify(store, {
      kind: "problem",
      text: `${file.name} is not a report of a race. Create one with: atomictickets race --json race.json`,
    });
}

/** @param {string} text @returns {RaceReport | null} */
function parseReport(text) {
  try {
    const report = JSON.parse(text);
    return isReport(report) ? report : null;
  } catch {
    return null; // the caller reports that the file is not a report
  }
}

/** @param {any} report @returns {report is RaceReport} */
const isReport = (report) =>
  Array.isArray(report.race) &&
  report.workload &&
  report.race.every((/** @type {any} */ entry) => entry.strategy && entry.figures && Array.isArray(entry.findings));

/**
 * Reads which reports the lab has kept, and opens the newest one unless the user has chosen another.
 * @param {Store} store @param {number} visit
 */
export async function readKept(store, visit) {
  fill(store, VIEW, { visit });
  await notifyIfRefused(store, async () => {
    const { race_reports: kept } = await request("GET", "lab");
    const { report, name, kept: before = [] } = form(store.get(), VIEW, {});
    fill(store, VIEW, { kept });
    const isFollowing = !report || name === before[0];
    if (isFollowing && kept.length && name !== kept[0]) await openKept(store, kept[0]);
  });
}

/** Opens one of the reports that the lab has kept. @param {Store} store @param {string} name */
export const openKept = (store, name) =>
  notifyIfRefused(store, async () => {
    const report = await request("GET", `lab/race?name=${encodeURIComponent(name)}`);
    if (isReport(report)) fill(store, VIEW, { report, name });
    else
      notify(store, { kind: "problem", text: `The report ${name} cannot be shown: another release has written it.` });
  });

/** @param {RaceReport} report */
export const exportJson = (report) =>
  save("race.json", new Blob([JSON.stringify(report, null, 2)], { type: "application/json" }));

/** @param {RaceReport} report */
export const exportCsv = (report) => save("race.csv", new Blob([csv(report.race)], { type: "text/csv" }));

/** @param {string} id  of the chart's canvas */
export function exportPng(id) {
  const canvas = /** @type {HTMLCanvasElement} */ (document.getElementById(id));
  canvas.toBlob((image) => image && save("race.png", image));
}

/** @param {string} name @param {Blob} content */
function save(name, content) {
  const url = URL.createObjectURL(content);
  const link = Object.assign(document.createElement("a"), { href: url, download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 10_000); // by then the browser has started to read it
}
