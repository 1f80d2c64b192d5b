// Puts both sides on sale anew, and sends both crowds.

import { ask } from "../core/api.js";
import { hasEnded } from "../state/events.js";
import { fill } from "../state/forms.js";
import { attempt } from "../state/notices.js";

/** @import { Blast, Store } from "../core/types.js" */

/** The sale of a side: both sides may have the same strategy. @param {"left" | "right"} side @param {string} strategy */
export const saleOf = (side, strategy) => `${side}-${strategy}`;

/** @param {Store} store @param {Record<string, any>} wish */
export async function run(store, wish) {
  fill(store, "two-sides", { busy: true, left: wish.left, right: wish.right });
  await attempt(store, async () => {
    const terms = { stock: Number(wish.stock), think_ms: Number(wish.think_ms) };
    const sides = [
      { name: saleOf("left", wish.left), strategy: wish.left, ...terms },
      { name: saleOf("right", wish.right), strategy: wish.right, ...terms },
    ];
    await Promise.all(sides.map((side) => putOnSale(store, side)));
    const crowd = {
      requests: Number(wish.requests),
      concurrency: Math.min(Number(wish.concurrency), Number(wish.requests)),
      customers: wish.customers === "" ? null : Number(wish.customers),
      retries: Number(wish.retries),
    };
    await Promise.all(sides.map(({ name }) => ask("POST", `sales/${name}/blasts`, crowd)));
  });
  fill(store, "two-sides", { busy: false });
}

/**
 * Its next round with these terms, or its first. Only an ended sale takes other terms, with its next round.
 * @param {Store} store
 * @param {{ name: string, strategy: string, stock: number, think_ms: number }} terms
 */
async function putOnSale(store, terms) {
  const present = store.get().sales[terms.name];
  const path = `sales/${terms.name}`;
  if (present && present.think_ms === terms.think_ms && present.phase !== "Closed") {
    await ask("POST", `${path}/reset`, { stock: terms.stock });
    return;
  }
  if (present) await ask("DELETE", path);
  await ask("POST", "sales", terms);
}

/** @param {Store} store @param {(Blast | undefined)[]} blasts */
export async function cancel(store, blasts) {
  const open = blasts.filter((blast) => blast !== undefined && !hasEnded(blast));
  await attempt(store, () => Promise.all(open.map((blast) => ask("DELETE", `blasts/${blast?.id}`))));
}
