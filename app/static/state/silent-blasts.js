// If a blast runner dies, no event reports the end of its blast. So the page asks the API about each blast that has not
// ended and has not changed for a while.

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

/** Ignores a refusal: the page already shows that the API is away. @param {unknown} error */
function unlessRefused(error) {
  if (error instanceof Refused) return null;
  throw error;
}
