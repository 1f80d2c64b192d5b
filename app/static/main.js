// The entry point: creates the state, listens to the live events, and shows the view that the address names.

import { frame } from "./components/frame.js";
import { listen } from "./core/live.js";
import { route } from "./core/route.js";
import { createStore } from "./core/store.js";
import { h, show } from "./core/vdom.js";
import { applyEvent, sharedState } from "./state/events.js";
import { initialState } from "./state/initial.js";
import { refreshSilentBlasts } from "./state/silent-blasts.js";
import { VIEWS } from "./views/all.js";

const page = /** @type {HTMLElement} */ (document.getElementById("page"));
const names = Object.keys(VIEWS);
const store = createStore(initialState(route(names)), render);

/** @param {import("./core/types.js").State} state */
function render(state) {
  const view = VIEWS[state.view];
  document.title = `${view.title} · AtomicTickets`;
  show(page, frame(state, store, VIEWS, state.facts ? view.render(state, store) : waiting(state)));
}

/** @param {import("./core/types.js").State} state */
function waiting({ connection }) {
  const why = connection.away ?? (connection.status === "lost" ? "The API does not answer." : "");
  return h(
    "section",
    { class: "empty", "aria-busy": "true" },
    h("h1", null, "Connecting"),
    h(
      "p",
      null,
      why ? `${why} The page continues by itself when the connection is back.` : "Waiting for the first events.",
    ),
  );
}

addEventListener("hashchange", () => {
  store.update((state) => ({ ...state, view: route(names), visits: state.visits + 1 }));
  document.getElementById("view")?.focus();
});
listen({
  onEvent: (name, data) => store.update((state) => applyEvent(state, name, data, Date.now())),
  onStatus: (status) => store.update((state) => ({ ...state, connection: { ...state.connection, status } })),
  sharedState: () => sharedState(store.get()),
  onSharedState: (shared) => store.update((state) => ({ ...state, ...shared })),
});
setInterval(() => {
  store.update((state) => ({ ...state, now: Date.now() }));
  refreshSilentBlasts(store);
}, 1_000);
render(store.get());
