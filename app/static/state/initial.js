// The state of the page before the first event.

/** @param {string} view @returns {import("../core/types.js").State} */
export function initialState(view) {
  return {
    view,
    visits: 0,
    now: Date.now(),
    connection: { status: "connecting", away: null },
    facts: null,
    sales: {},
    readings: {},
    blasts: {},
    curves: {},
    notices: [],
    forms: {},
  };
}
