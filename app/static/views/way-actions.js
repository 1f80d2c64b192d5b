// Sends a crowd of buyers to the sale that the view shows.

import { request } from "../core/api.js";
import { notifyIfRefused } from "../state/notices.js";

/** @import { Sale, Store } from "../core/types.js" */

/** A crowd that is large enough that the orders can be watched. */
const LARGE = { stock: 5_000, requests: 6_000, concurrency: 100, retries: 10 };

/** Starts a new round and a blast for it. @param {Store} store @param {Sale} sale */
export const sendCrowd = (store, { name }) =>
  notifyIfRefused(store, async () => {
    await request("POST", `sales/${name}/reset`, { stock: LARGE.stock });
    const { requests, concurrency, retries } = LARGE;
    await request("POST", `sales/${name}/blasts`, { requests, concurrency, retries });
  });
