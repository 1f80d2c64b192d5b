// Starts a new round on both sides, and sends a blast to each.

import { request } from "../core/api.js";
import { hasEnded } from "../state/events.js";
import { fill } from "../state/forms.js";
import { notifyIfRefused } from "../state/notices.js";

/** @import { Blast, Store } from "../core/types.js" */

export const VIEW = "two-sides";

/**
 * Returns the sale of a side. It names the side, since both may have the same strategy.
 * @param {"left" | "right"} side @param {string} strategy
 */
export const saleOf = (side, strategy) => `${side}-${strategy}`;

/** @param {Store} store @param {Record<string, any>} fields */
export async function run(store, fields) {
  fill(store, VIEW, { busy: true, left: fields.left, right: fields.right });
  await notifyIfRefused(store, async () => {
    const terms = { stock: Number(fields.stock), think_ms: Number(fields.think_ms) };
    const sides = [
      { name: saleOf("left", fields.left), strategy: fields.left, ...terms },
      { name: saleOf("right", fields.right), strategy: fields.right, ...terms },
    ];
    await Promise.all(sides.map((side) => putOnSale(store, side)));
    const crowd = {
      requests: Number(fields.requests),
      concurrency: Math.min(Number(fields.concurrency), Number(fields.requests)),
      customers: fields.customers === "" ? null : Number(fields.customers),
      retries: Number(fields.retries),
    };
    await Promise.all(sides.map(({ name }) => request("POST", `sales/${name}/blasts`, crowd)));
  });
  fill(store, VIEW, { busy: false });
}

/**
 * Starts the next round of a sale with these terms, or its first. A sale takes another think time only after it has
 * ended; the stock may change with every round.
 * @param {Store} store
 * @param {{ name: string, strategy: string, stock: number, think_ms: number }} terms
 */
async function putOnSale(store, terms) {
  const present = store.get().sales[terms.name];
  const path = `sales/${terms.name}`;
  if (present && present.think_ms === terms.think_ms && present.phase !== "Closed") {
    await request("POST", `${path}/reset`, { stock: terms.stock });
    return;
  }
  if (present) await request("DELETE", path);
  await request("POST", "sales", terms);
}

/** @param {Store} store @param {(Blast | undefined)[]} blasts */
export async function cancel(store, blasts) {
  const open = blasts.filter((blast) => blast !== undefined && !hasEnded(blast));
  await notifyIfRefused(store, () => Promise.all(open.map((blast) => request("DELETE", `blasts/${blast?.id}`))));
}
