// Faults to try, if the service runs in a lab on this machine.

import { request } from "../core/api.js";
import { h } from "../core/vdom.js";
import { fill, form } from "../state/forms.js";
import { notifyIfRefused } from "../state/notices.js";

/** @import { State, Store } from "../core/types.js" */
/** @typedef {{ name: string, running: boolean }} Running */

const FAULTS = [
  {
    fault: "stop-worker",
    label: "Kill a worker",
    effect:
      "Sends SIGKILL. The worker restarts after 3 s. Another worker, or the same one, claims the orders that it held.",
  },
  {
    fault: "pause-drain",
    label: "Pause the drain",
    effect: "Stops every worker, for a minute at most. Orders wait in the stream, and buyers notice nothing.",
  },
  { fault: "resume-drain", label: "Resume the drain", effect: "The workers book the backlog in the ledger." },
  {
    fault: "drop-broker",
    label: "Stop the broker",
    effect: "Stops it for 8 s. There are no hints, and this page has no live figures. Sales continue.",
  },
  {
    fault: "forget-counter",
    label: "Erase the stock server",
    effect:
      "Runs FLUSHALL. Sales by atomic and function are fenced, recounted from the ledger and reopened. Orders that were not booked yet are lost.",
  },
];
const POLL_MS = 500;
let polling = false;

/** @param {State} state @param {Store} store */
export function lab(state, store) {
  const known = form(state, "lab", { processes: [], faults: [], drain_paused: false });
  if (!polling) queueMicrotask(() => poll(store));
  return h(
    "section",
    { class: "panel lab" },
    h("h2", null, "Try a fault"),
    h(
      "ul",
      { class: "processes", "aria-label": "Processes of the lab" },
      known.processes.map((/** @type {Running} */ each) => process(each, known.drain_paused)),
    ),
    h(
      "div",
      { class: "faults" },
      FAULTS.filter(({ fault }) => known.faults.includes(fault)).map(({ fault, label, effect }) =>
        h(
          "div",
          { key: fault },
          h(
            "button",
            { class: "danger", onClick: () => notifyIfRefused(store, () => request("POST", "lab/faults", { fault })) },
            label,
          ),
          h("p", { class: "hint" }, effect),
        ),
      ),
    ),
  );
}

/** @param {Running} _ @param {boolean} paused */
function process({ name, running }, paused) {
  const state = !running ? "down" : paused && name.startsWith("worker") ? "paused" : "up";
  const sign = { up: "●", down: "✗", paused: "❚❚" }[state];
  return h(
    "li",
    { class: state, key: name },
    h("span", { "aria-hidden": "true" }, sign),
    ` ${name}`,
    state !== "up" && ` (${state})`,
  );
}

/** Fetches the state of the lab repeatedly while the view is shown. @param {Store} store */
async function poll(store) {
  polling = true;
  while (store.get().view === "way" && document.visibilityState === "visible") {
    const current = await request("GET", "lab").catch(() => null); // the page already shows that the API is away
    if (current) fill(store, "lab", current);
    await new Promise((done) => setTimeout(done, POLL_MS));
  }
  polling = false;
}
