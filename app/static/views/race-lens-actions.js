// Fetches the attempts of a round and the pairs that collided, and fetches again while the race goes on.

import { Refused, request } from "../core/api.js";
import { fill, form } from "../state/forms.js";

/** @import { Attempt, Evidence, Store, Witness } from "../core/types.js" */

export const VIEW = "race-lens";
const MOST = 5_000; // the most windows that are fetched and drawn
const PAGE = 1_000;

/** @type {Evidence} */
export const NO_EVIDENCE = {
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

const PAUSE_MS = 500; // between two fetches
const MORE_TRIES = 10; // an attempt is recorded a moment after its purchase is answered

// The state of the sale at the last fetch, and how often this state was fetched. When every booking has its attempt, the
// evidence of the state is complete.
let fetchedState = "";
let tries = 0;
let fetchedAt = 0;
let fetching = false;

/** Fetches new evidence if the sale has changed since the last fetch. @param {Store} store @param {string} name */
export async function refreshEvidence(store, name) {
  const sale = store.get().sales[name];
  const state = `${name} ${sale?.round} ${sale?.booked} ${sale?.remaining}`;
  const known = form(store.get(), VIEW, { evidence: NO_EVIDENCE }).evidence;
  if (state !== fetchedState) tries = 0;
  const complete = state === fetchedState && (known.written >= sale.booked || tries >= MORE_TRIES);
  if (fetching || complete || Date.now() - fetchedAt < PAUSE_MS || store.get().view !== VIEW) return;
  fetching = true;
  try {
    fill(store, VIEW, { evidence: await fetchEvidence(name, sale.round, known) });
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    fill(store, VIEW, { evidence: { ...NO_EVIDENCE, sale: name, problem: error.message } });
  } finally {
    fetchedState = state;
    tries += 1;
    fetchedAt = Date.now();
    fetching = false;
  }
}

/**
 * Fetches what is new since `before`.
 * @param {string} name @param {number} round @param {Evidence} before @returns {Promise<Evidence>}
 */
async function fetchEvidence(name, round, before) {
  const known = before.sale === name && before.round === round ? before : NO_EVIDENCE;
  const attempts = await fetchPages(`sales/${name}/attempts`, "attempts", known.attempts, (attempt) => attempt.number);
  const witnesses = await fetchPages(
    `sales/${name}/witnesses`,
    "witnesses",
    known.witnesses,
    (witness) => witness.second.number,
  );
  // A page counts what lies beyond its `after`. The first page counts the whole round.
  const { total, written, trace_url } = await request("GET", `sales/${name}/witnesses?limit=1`);
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

/**
 * Returns the known rows and all later ones.
 * @param {string} path @param {string} field @param {any[]} known @param {(row: any) => number} number
 */
async function fetchPages(path, field, known, number) {
  const rows = [...known];
  while (rows.length < MOST) {
    const after = rows.length ? number(rows[rows.length - 1]) : 0;
    const page = await request("GET", `${path}?limit=${PAGE}&after=${after}`);
    rows.push(...page[field]);
    if (page.next === null) break;
  }
  return rows;
}
