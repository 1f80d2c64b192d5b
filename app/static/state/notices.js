// Notices about the results of actions. A notice stays until the user closes it or newer ones replace it.

import { Refused } from "../core/api.js";

/** @import { Notice, Store } from "../core/types.js" */

const KEPT = 3;
const COMMAND = /Instead: (.+)$/; // the command to run instead, if a resource manages the sale
let newest = 0;

/** @param {Store} store @param {Omit<Notice, "id">} notice */
export function notify(store, notice) {
  newest += 1;
  const added = { ...notice, id: newest };
  store.update((state) => ({ ...state, notices: [...state.notices.slice(1 - KEPT), added] }));
}

/** @param {Store} store @param {number} id */
export function dismiss(store, id) {
  store.update((state) => ({ ...state, notices: state.notices.filter((notice) => notice.id !== id) }));
}

/**
 * Does the work, and shows a notice if the API refuses it. Any other error is a defect of the page: the console has it.
 * @template Result
 * @param {Store} store @param {() => Promise<Result>} work @returns {Promise<Result | undefined>}
 */
export async function notifyIfRefused(store, work) {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    const hint = error.status === 401 ? " Enter it under “Admin token” above." : "";
    notify(store, { kind: "problem", text: error.message + hint, command: COMMAND.exec(error.detail)?.[1] });
    return undefined;
  }
}
