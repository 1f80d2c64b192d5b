// A crowd for the sale that is being followed.

import { ask } from "../core/api.js";
import { attempt } from "../state/notices.js";

/** @import { Sale, Store } from "../core/types.js" */

const LARGE = { stock: 5_000, requests: 6_000, concurrency: 100, retries: 10 };

/** Large enough to be watched. @param {Store} store @param {Sale} sale */
export const crowd = (store, { name }) =>
  attempt(store, async () => {
    await ask("POST", `sales/${name}/reset`, { stock: LARGE.stock });
    const { requests, concurrency, retries } = LARGE;
    await ask("POST", `sales/${name}/blasts`, { requests, concurrency, retries });
  });
