// Fetches the attempts of a round and the pairs that collided, and fetches again while the race goes on.

import { ask, Refused } from "../core/api.js";
import { fill, form } from "../state/forms.js";

/** @import { Attempt, Evidence, Store, Witness } from "../core/types.js" */

const VIEW = "race-lens";
const MOST = 5_000; // the most windows that are fetched and drawn
const PAGE = 1_000;

/** @type {Evidence} */
export const NOTHING = {
  sale: "",
  round: 0,
  attempts: [],
  witnesses: [],
  collided: new Set(),
  total: 0,
  written: 0,
  trace_url: null,
  problem: null,
};

const PAUSE_MS = 500;
const MORE_TRIES = 10; // an attempt is recorded a moment after its purchase is answered

/** The state of the sale at the last fetch, and the fetches since. Once every booking has its attempt, nothing is new. */
let seen = "";
let tries = 0;
let fetchedAt = 0;
let fetching = false;

/** Fetches new evidence if the sale has changed since the last fetch. @param {Store} store @param {string} name */
export async function follow(store, name) {
  const sale = store.get().sales[name];
  const state = `${name} ${sale?.round} ${sale?.booked} ${sale?.remaining}`;
  const told = form(store.get(), VIEW, { evidence: NOTHING }).evidence;
  if (state !== seen) tries = 0;
  const complete = state === seen && (told.written >= sale.booked || tries >= MORE_TRIES);
  if (fetching || complete || Date.now() - fetchedAt < PAUSE_MS || store.get().view !== VIEW) return;
  fetching = true;
  try {
    fill(store, VIEW, { evidence: await fetched(name, sale.round, told) });
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    fill(store, VIEW, { evidence: { ...NOTHING, sale: name, problem: error.message } });
  } finally {
    seen = state;
    tries += 1;
    fetchedAt = Date.now();
    fetching = false;
  }
}

/** @param {string} name @param {number} round @param {Evidence} before @returns {Promise<Evidence>} */
async function fetched(name, round, before) {
  const known = before.sale === name && before.round === round ? before : NOTHING;
  const attempts = await all(`sales/${name}/attempts`, "attempts", known.attempts, (each) => each.number);
  const witnesses = await all(`sales/${name}/witnesses`, "witnesses", known.witnesses, (each) => each.second.number);
  // A page counts what lies beyond its `after`. The first page counts the whole round.
  const { total, written, trace_url } = await ask("GET", `sales/${name}/witnesses?limit=1`);
  const pairs = /** @type {Witness[]} */ (witnesses);
  const collided = new Set(pairs.flatMap(({ first, second }) => [first.number, second.number]));
  return {
    sale: name,
    round,
    attempts: /** @type {Attempt[]} */ (attempts),
    witnesses: pairs,
    collided,
    total,
    written,
    trace_url,
    problem: null,
  };
}

/** @param {string} path @param {string} rows @param {any[]} known @param {(row: any) => number} number */
async function all(path, rows, known, number) {
  const found = [...known];
  while (found.length < MOST) {
    const after = found.length ? number(found[found.length - 1]) : 0;
    const last = await ask("GET", `${path}?limit=${PAGE}&after=${after}`);
    found.push(...last[rows]);
    if (last.next === null) break;
  }
  return found;
}
