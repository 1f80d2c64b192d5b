// Buys in this tab, or in all tabs that show the view. The tabs of one browser exchange messages over a channel.

import { Refused, request } from "../core/api.js";
import { fill, form } from "../state/forms.js";
import { notifyIfRefused } from "../state/notices.js";

/** @import { Store } from "../core/types.js" */

export const VIEW = "by-hand";
const KEPT = 50;

/** Returns a new key. `randomUUID` would need https or localhost. */
export const newKey = () => crypto.getRandomValues(new Uint32Array(1))[0].toString(16).padStart(8, "0");

/** The id of this tab. */
const tabId = newKey() + newKey();
const channel = new BroadcastChannel("atomictickets.by-hand");
/** When each of the other tabs sent its last message. @type {Map<string, number>} */
const lastMessageAt = new Map();
const ANNOUNCE_MS = 1_000;
const GONE_MS = 3_500; // browsers slow the timers of hidden tabs down to one tick a second
let answerCount = 0;

/** @param {Store} store */
export const createSale = (store) =>
  notifyIfRefused(store, async () => {
    const sale = await request("POST", "sales", { name: "by-hand", strategy: "atomic", stock: 10 });
    fill(store, VIEW, { sale: sale.name });
  });

/**
 * Sends one purchase and records its answer, whatever it is.
 * @param {Store} store @param {Record<string, any>} fields
 */
export async function buy(store, { sale, customer, quantity, key }) {
  const sentAt = performance.now();
  const order = { sale, customer, quantity: Number(quantity) };
  const answer = await request("POST", "buy-ticket", order, { "X-Idempotency-Key": key }).then(
    ({ status, replayed, reservation_id }) => ({ ok: true, text: status, replayed, reservation_id }),
    (error) => {
      if (!(error instanceof Refused)) throw error;
      return { ok: false, text: error.status ? `${error.status} ${error.title}` : error.title };
    },
  );
  answerCount += 1;
  const recorded = { ...answer, id: answerCount, key, took_ms: performance.now() - sentAt };
  const before = form(store.get(), VIEW, { answers: [] }).answers;
  fill(store, VIEW, { answers: [recorded, ...before].slice(0, KEPT) });
}

/** Sends the purchase from every tab that shows the view. @param {Store} store @param {Record<string, any>} fields */
export function buyInAllTabs(store, { sale, customer, quantity, key }) {
  const fields = { sale, customer, quantity, key };
  channel.postMessage({ from: tabId, buy: fields });
  return buy(store, fields);
}

/**
 * Starts to listen to the other tabs when the view is first shown.
 * @param {Store} store @param {Record<string, any>} fields
 */
export function joinOtherTabs(store, fields) {
  if (form(store.get(), VIEW, { listening: false }).listening) return;
  fill(store, VIEW, { listening: true, sale: fields.sale, key: fields.key });
  channel.onmessage = ({ data }) => {
    lastMessageAt.set(data.from, Date.now());
    if (data.buy && store.get().view === VIEW) {
      fill(store, VIEW, data.buy);
      buy(store, data.buy);
    }
    countTabs(store);
  };
  setInterval(() => {
    if (store.get().view === VIEW) channel.postMessage({ from: tabId });
    countTabs(store);
  }, ANNOUNCE_MS);
}

/** Counts the tabs that show the view, and forgets the others. @param {Store} store */
function countTabs(store) {
  for (const [tab, at] of lastMessageAt) if (Date.now() - at > GONE_MS) lastMessageAt.delete(tab);
  const tabs = lastMessageAt.size + 1;
  if (form(store.get(), VIEW, { tabs: 1 }).tabs !== tabs) fill(store, VIEW, { tabs });
}
