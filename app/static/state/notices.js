// What came of an action, for a person to read: added, and gone when it is closed or pushed out by newer ones.

import { Refused } from "../core/api.js";

/** @import { Notice, Store } from "../core/types.js" */

const KEPT = 3;
const COMMAND = /Instead: (.+)$/; // how the API names the command for a sale that a resource manages
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
 * Does the work and tells what was refused. Anything else is our own mistake, and goes to the console as it is.
 * @template Result
 * @param {Store} store @param {() => Promise<Result>} work @returns {Promise<Result | undefined>}
 */
export async function attempt(store, work) {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    const hint = error.status === 401 ? " Enter it under “Admin token” above." : "";
    notify(store, { kind: "problem", text: error.message + hint, command: COMMAND.exec(error.detail)?.[1] });
    return undefined;
  }
}
