// Faults to try, if the service runs in a lab on this machine.

import { ask } from "../core/api.js";
import { h } from "../core/vdom.js";
import { fill, form } from "../state/forms.js";
import { attempt } from "../state/notices.js";

/** @import { State, Store } from "../core/types.js" */

const FAULTS = [
  {
    fault: "stop-worker",
    label: "Kill a worker",
    what: "Sends SIGKILL. The worker restarts after 3 s. Another worker, or the same one, claims the orders that it held.",
  },
  {
    fault: "pause-drain",
    label: "Pause the drain",
    what: "Stops every worker, for a minute at most. Orders wait in the stream, and buyers notice nothing.",
  },
  { fault: "resume-drain", label: "Resume the drain", what: "The workers book the backlog in the ledger." },
  {
    fault: "drop-broker",
    label: "Stop the broker",
    what: "Stops it for 8 s. There are no hints, and this page has no live figures. Sales continue.",
  },
  {
    fault: "forget-counter",
    label: "Erase the stock server",
    what: "Runs FLUSHALL. Every sale is fenced, recounted from the ledger and reopened.",
  },
];
const LOOK_MS = 500;
let looking = false;

/** @param {State} state @param {Store} store */
export function lab(state, store) {
  const known = form(state, "lab", { parts: [], faults: [], drain_paused: false });
  if (!looking) queueMicrotask(() => look(store));
  return h(
    "section",
    { class: "panel lab" },
    h("h2", null, "Try a fault"),
    h(
      "ul",
      { class: "parts", "aria-label": "Processes of the lab" },
      known.parts.map((/** @type {{ name: string, running: boolean }} */ part) => process(part, known.drain_paused)),
    ),
    h(
      "div",
      { class: "faults" },
      FAULTS.filter(({ fault }) => known.faults.includes(fault)).map(({ fault, label, what }) =>
        h(
          "div",
          { key: fault },
          h(
            "button",
            { class: "danger", onClick: () => attempt(store, () => ask("POST", "lab/faults", { fault })) },
            label,
          ),
          h("p", { class: "hint" }, what),
        ),
      ),
    ),
  );
}

/** @param {{ name: string, running: boolean }} part @param {boolean} paused */
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
async function look(store) {
  looking = true;
  while (store.get().view === "way" && document.visibilityState === "visible") {
    const told = await ask("GET", "lab").catch(() => null); // the page already shows that the API is away
    if (told) fill(store, "lab", told);
    await new Promise((done) => setTimeout(done, LOOK_MS));
  }
  looking = false;
}
