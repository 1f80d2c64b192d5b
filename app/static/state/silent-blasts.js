// If a blast runner dies, no event reports the end of its blast. So the page asks the API about each blast that has not
// ended and has not changed for a while.

import { Refused, request } from "../core/api.js";
import { applyEvent, hasEnded } from "./events.js";

/** @import { Blast, Store } from "../core/types.js" */

const SILENCE_MS = 5_000;
/** When each open blast changed last. @type {Map<string, { blast: Blast, at: number }>} */
const lastChanges = new Map();

/** @param {Store} store */
export async function refreshSilentBlasts(store) {
  const now = Date.now();
  for (const blast of Object.values(store.get().blasts)) {
    const before = lastChanges.get(blast.id);
    if (hasEnded(blast)) lastChanges.delete(blast.id);
    else if (before?.blast !== blast) lastChanges.set(blast.id, { blast, at: now });
    else if (now - before.at > SILENCE_MS) {
      lastChanges.set(blast.id, { blast, at: now });
      const current = await request("GET", `blasts/${blast.id}`).catch(unlessRefused);
      if (current) store.update((state) => applyEvent(state, "blast", current, now));
    }
  }
}

/** Ignores a refusal: the page already shows that the API is away. @param {unknown} error */
function unlessRefused(error) {
  if (error instanceof Refused) return null;
  throw error;
}
