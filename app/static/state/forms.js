// The values that the user has entered or chosen, kept for each view, so that leaving a view loses nothing.

/** @import { State, Store } from "../core/types.js" */

/** Returns the values of a view. @param {State} state @param {string} view @param {Record<string, any>} initial */
export const form = (state, view, initial) => ({ ...initial, ...state.forms[view] });

/** Sets values of a view. @param {Store} store @param {string} view @param {Record<string, any>} values */
export function fill(store, view, values) {
  store.update((state) => ({
    ...state,
    forms: { ...state.forms, [view]: { ...state.forms[view], ...values } },
  }));
}
