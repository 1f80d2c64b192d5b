// The frame around every view: the name, the navigation, the state of the connection, and the notices.

import { token } from "../core/api.js";
import { h } from "../core/vdom.js";
import { dismiss } from "../state/notices.js";

/** @import { State, Store } from "../core/types.js" */
/** @import { Element } from "../core/vdom.js" */
/** @typedef {Record<string, { title: string, render: (state: State, store: Store) => Element }>} Views */

/** @param {State} state @param {Store} store @param {Views} views @param {Element} content */
export function frame(state, store, views, content) {
  return [
    h("a", { class: "skip", href: "#view", onClick: skip }, "Skip to main content"),
    h(
      "header",
      { class: "bar" },
      h(
        "a",
        { class: "brand", href: "#/two-sides" },
        h("span", { class: "mark", "aria-hidden": "true" }),
        "AtomicTickets",
      ),
      h(
        "nav",
        { "aria-label": "Views" },
        Object.entries(views).map(([name, view]) => tab(name, view.title, state.view)),
      ),
      liveness(state),
      state.facts?.needs_token && tokenField(),
    ),
    h(
      "div",
      { class: "notices", role: "status", "aria-live": "polite" },
      state.notices.map((notice) => noticeBox(notice, store)),
    ),
    h("main", { id: "view", tabindex: "-1" }, content),
  ];
}

/** @param {Event} event */
function skip(event) {
  event.preventDefault();
  document.getElementById("view")?.focus();
}

/** @param {string} name @param {string} title @param {string} current */
function tab(name, title, current) {
  return h("a", { href: `#/${name}`, "aria-current": name === current ? "page" : null }, title);
}

/** @param {State} state */
function liveness({ connection }) {
  const [kind, text, title] = connectionText(connection);
  return h(
    "p",
    { class: `liveness ${kind}`, role: "status", title },
    h("span", { class: "dot", "aria-hidden": "true" }),
    text,
  );
}

/** @param {State["connection"]} connection @returns {[string, string, string]} */
function connectionText({ status, away }) {
  if (status === "lost")
    return ["lost", "Disconnected", "The figures below are out of date. The page reconnects by itself."];
  if (status === "connecting") return ["waiting", "Connecting", "The page is waiting for the API."];
  if (away) return ["away", "No live figures", `${away} The figures below are out of date.`];
  return ["live", "Live", "Every figure is up to date, as reported by the API."];
}

function tokenField() {
  return h(
    "label",
    { class: "token" },
    "Admin token",
    h("input", {
      type: "password",
      autocomplete: "off",
      value: token.get(),
      // At each letter, since a render between two would write the token as it was before back into the field.
      onInput: (/** @type {any} */ event) => token.set(event.target.value.trim()),
    }),
  );
}

/** @param {import("../core/types.js").Notice} notice @param {Store} store */
function noticeBox(notice, store) {
  return h(
    "div",
    { class: `notice ${notice.kind}`, key: notice.id },
    h("span", { class: "sign", "aria-hidden": "true" }, notice.kind === "problem" ? "!" : "✓"),
    h("div", null, h("p", null, notice.text), notice.command && h("code", { class: "command" }, notice.command)),
    h("button", { class: "quiet", "aria-label": "Close this notice", onClick: () => dismiss(store, notice.id) }, "×"),
  );
}
