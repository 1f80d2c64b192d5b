// What a person has typed or chosen in a view: kept by view, so that going away and coming back loses nothing.

/** @import { State, Store } from "../core/types.js" */

/** @param {State} state @param {string} view @param {Record<string, any>} initial */
export const form = (state, view, initial) => ({ ...initial, ...state.forms[view] });

/** @param {Store} store @param {string} view @param {Record<string, any>} values */
export function fill(store, view, values) {
  store.update((state) => ({
    ...state,
    forms: { ...state.forms, [view]: { ...state.forms[view], ...values } },
  }));
}
