// Sends a crowd of buyers to the sale that the view shows.

import { ask } from "../core/api.js";
import { attempt } from "../state/notices.js";

/** @import { Sale, Store } from "../core/types.js" */

/** Large enough that the orders can be watched. */
const LARGE = { stock: 5_000, requests: 6_000, concurrency: 100, retries: 10 };

/** Starts a new round and a blast for it. @param {Store} store @param {Sale} sale */
export const crowd = (store, { name }) =>
  attempt(store, async () => {
    await ask("POST", `sales/${name}/reset`, { stock: LARGE.stock });
    const { requests, concurrency, retries } = LARGE;
    await ask("POST", `sales/${name}/blasts`, { requests, concurrency, retries });
  });
