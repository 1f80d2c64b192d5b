// Buys in this tab, or in all tabs that show the view. The tabs of one browser exchange messages over a channel.

import { ask, Refused } from "../core/api.js";
import { fill, form } from "../state/forms.js";
import { attempt } from "../state/notices.js";

/** @import { Store } from "../core/types.js" */

const VIEW = "by-hand";
const KEPT = 50;
/** Returns a new key. `randomUUID` would need https or localhost. */
export const newKey = () => crypto.getRandomValues(new Uint32Array(1))[0].toString(16).padStart(8, "0");
const me = newKey() + newKey();
const channel = new BroadcastChannel("atomictickets.by-hand");
/** When each of the other tabs sent its last message. @type {Map<string, number>} */
const heard = new Map();
const HERE_MS = 1_000;
const GONE_MS = 3_500; // browsers slow the timers of hidden tabs down to one tick a second
let answered = 0;

/** @param {Store} store */
export const createSale = (store) =>
  attempt(store, async () => {
    const sale = await ask("POST", "sales", { name: "by-hand", strategy: "atomic", stock: 10 });
    fill(store, VIEW, { sale: sale.name });
  });

/** Sends one purchase and records its answer, whatever it is. @param {Store} store @param {Record<string, any>} fields */
export async function buy(store, { sale, customer, quantity, key }) {
  const began = performance.now();
  const order = { sale, customer, quantity: Number(quantity) };
  const answer = await ask("POST", "buy-ticket", order, { "X-Idempotency-Key": key }).then(
    (told) => ({ ok: true, text: told.status, replayed: told.replayed, reservation_id: told.reservation_id }),
    (error) => {
      if (!(error instanceof Refused)) throw error;
      return { ok: false, text: error.status ? `${error.status} ${error.title}` : error.title };
    },
  );
  answered += 1;
  const told = { ...answer, id: answered, key, took_ms: performance.now() - began };
  const before = form(store.get(), VIEW, { answers: [] }).answers;
  fill(store, VIEW, { answers: [told, ...before].slice(0, KEPT) });
}

/** @param {Store} store @param {Record<string, any>} fields */
export function inAllTabs(store, { sale, customer, quantity, key }) {
  const fields = { sale, customer, quantity, key };
  channel.postMessage({ from: me, buy: fields });
  return buy(store, fields);
}

/** Starts to listen to the other tabs when the view is first shown. @param {Store} store @param {Record<string, any>} fields */
export function otherTabs(store, fields) {
  if (form(store.get(), VIEW, { listening: false }).listening) return;
  fill(store, VIEW, { listening: true, sale: fields.sale, key: fields.key });
  channel.onmessage = ({ data }) => {
    heard.set(data.from, Date.now());
    if (data.buy && store.get().view === VIEW) {
      fill(store, VIEW, data.buy);
      buy(store, data.buy);
    }
    count(store);
  };
  setInterval(() => {
    if (store.get().view === VIEW) channel.postMessage({ from: me });
    count(store);
  }, HERE_MS);
}

/** @param {Store} store */
function count(store) {
  for (const [tab, at] of heard) if (Date.now() - at > GONE_MS) heard.delete(tab);
  const tabs = heard.size + 1;
  if (form(store.get(), VIEW, { tabs: 1 }).tabs !== tabs) fill(store, VIEW, { tabs });
}
