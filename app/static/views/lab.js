// Faults to try, where the service runs in a lab on this machine.

import { ask } from "../core/api.js";
import { h } from "../core/vdom.js";
import { fill, form } from "../state/forms.js";
import { attempt } from "../state/notices.js";

/** @import { State, Store } from "../core/types.js" */

const FAULTS = [
  {
    fault: "stop-worker",
    label: "Kill a worker",
    what: "SIGKILL. It comes back after 3 s; what it held is claimed by another, or by itself.",
  },
  {
    fault: "pause-drain",
    label: "Pause the drain",
    what: "Every worker stands still, for a minute at most. Orders wait in the stream; buyers notice nothing.",
  },
  { fault: "resume-drain", label: "Resume the drain", what: "The backlog goes into the ledger." },
  {
    fault: "drop-broker",
    label: "Drop the broker",
    what: "Gone for 8 s: no hints, and no live figures on this page. Sales go on.",
  },
  {
    fault: "forget-counter",
    label: "Forget the counter",
    what: "FLUSHALL on the stock server: every sale is fenced, recounted from the ledger and reopened.",
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
    h("h2", null, "Break it"),
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

/** Follows the lab's processes while this is shown. @param {Store} store */
async function look(store) {
  looking = true;
  while (store.get().view === "way" && document.visibilityState === "visible") {
    const told = await ask("GET", "lab").catch(() => null); // while the API is away the page says so already
    if (told) fill(store, "lab", told);
    await new Promise((done) => setTimeout(done, LOOK_MS));
  }
  looking = false;
}
