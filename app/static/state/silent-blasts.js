// A blast whose runner died is told of by nobody: whoever hears nothing of a blast that has not ended asks the ledger.

import { ask, Refused } from "../core/api.js";
import { hasEnded, heard } from "./events.js";

/** @import { Blast, Store } from "../core/types.js" */

const SILENCE_MS = 5_000;
/** When each open blast was last seen to change. @type {Map<string, { blast: Blast, at: number }>} */
const seen = new Map();

/** @param {Store} store */
export async function askAfterSilentBlasts(store) {
  const now = Date.now();
  for (const blast of Object.values(store.get().blasts)) {
    const before = seen.get(blast.id);
    if (hasEnded(blast)) seen.delete(blast.id);
    else if (before?.blast !== blast) seen.set(blast.id, { blast, at: now });
    else if (now - before.at > SILENCE_MS) {
      seen.set(blast.id, { blast, at: now });
      const told = await ask("GET", `blasts/${blast.id}`).catch(unlessRefused);
      if (told) store.update((state) => heard(state, "blast", told, now));
    }
  }
}

/** While the API is away the page says so already. @param {unknown} error */
function unlessRefused(error) {
  if (error instanceof Refused) return null;
  throw error;
}
