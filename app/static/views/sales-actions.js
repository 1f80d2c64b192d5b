// Creates sales, starts their next rounds, pauses, resumes and ends them.

import { request } from "../core/api.js";
import { notify, notifyIfRefused } from "../state/notices.js";

/** @import { Store } from "../core/types.js" */

/** @param {Store} store @param {Record<string, any>} fields */
export const create = (store, { name, strategy, stock, customer_limit, think_ms }) =>
  notifyIfRefused(store, async () => {
    const limit = customer_limit === "" ? null : Number(customer_limit);
    const terms = { name, strategy, stock: Number(stock), customer_limit: limit, think_ms: Number(think_ms) };
    const before = store.get().sales[name]?.round;
    const sale = await request("POST", "sales", terms);
    const text =
      sale.round === before
        ? `${name} exists already, with these terms, in round ${sale.round}.`
        : `${name} is in round ${sale.round}.`;
    notify(store, { kind: "done", text });
  });

/** @param {Store} store @param {string} name */
export const reset = (store, name) =>
  notifyIfRefused(store, async () => {
    const sale = await request("POST", `sales/${name}/reset`);
    notify(store, { kind: "done", text: `${name} is in round ${sale.round}.` });
  });

/** @param {Store} store @param {string} name @param {boolean} paused */
export const setPaused = (store, name, paused) =>
  notifyIfRefused(store, async () => {
    await request("PATCH", `sales/${name}`, { paused });
    const text = paused ? `${name} is paused. Accepted orders are still booked.` : `${name} is resumed.`;
    notify(store, { kind: "done", text });
  });

/** @param {Store} store @param {string} name */
export const end = (store, name) =>
  notifyIfRefused(store, async () => {
    await request("DELETE", `sales/${name}`);
    notify(store, { kind: "done", text: `${name} has ended. Creating it again starts its next round.` });
  });
