// Computes the next state of the page from a live event. All functions are pure.

/**
 * @import { Blast, Point, Sale, SaleReading, State } from "../core/types.js"
 */

const KEPT_READINGS = 240; // per sale: about a minute while it changes
const KEPT_POINTS = 600; // per blast: 30 s at 20 reports a second
const KEPT_BLASTS = 40;

/**
 * Returns the state after an event.
 * @param {State} state @param {string} name @param {any} data @param {number} now  milliseconds since 1970
 */
export function applyEvent(state, name, data, now) {
  switch (name) {
    case "snapshot":
      return snapshot(state, data, now);
    case "sale":
      return withSale(state, data, now);
    case "blast":
      return withBlast(state, data);
    case "source":
      return { ...state, connection: { ...state.connection, away: data.state === "ok" ? null : data.reason } };
    default:
      return state;
  }
}

/** Returns the part of the state that comes from events and is the same in every tab. @param {State} state */
export const sharedState = ({ connection, facts, sales, readings, blasts, curves }) => ({
  connection,
  facts,
  sales,
  readings,
  blasts,
  curves,
});

/** @param {State} state @param {any} data @param {number} now */
function snapshot(state, { sales, blasts, ...facts }, now) {
  const empty = { ...state, facts, sales: {}, blasts: {}, curves: {} };
  const known = sales.reduce((/** @type {State} */ all, /** @type {Sale} */ sale) => withSale(all, sale, now), empty);
  return [...blasts].reverse().reduce(withBlast, known);
}

/** @param {State} state @param {Sale} sale @param {number} now @returns {State} */
function withSale(state, sale, now) {
  const before = state.sales[sale.name]?.round === sale.round ? (state.readings[sale.name] ?? []) : [];
  /** @type {SaleReading[]} */
  const readings = [...before.slice(1 - KEPT_READINGS), { at: now, booked: sale.booked, backlog: sale.backlog }];
  return {
    ...state,
    sales: { ...state.sales, [sale.name]: sale },
    readings: { ...state.readings, [sale.name]: readings },
  };
}

/** @param {State} state @param {Blast} blast @returns {State} */
function withBlast(state, blast) {
  const known = state.blasts[blast.id];
  const late = known && hasEnded(known) && !hasEnded(blast); // a progress report that arrived after the end
  const blasts = { ...state.blasts, [blast.id]: late ? known : blast };
  const kept = Object.values(blasts).sort(byCreation).slice(-KEPT_BLASTS);
  return {
    ...state,
    blasts: Object.fromEntries(kept.map((blast) => [blast.id, blast])),
    curves: { ...state.curves, [blast.id]: withPoint(state.curves[blast.id] ?? [], blast) },
  };
}

/** @param {Point[]} curve @param {Blast} blast @returns {Point[]} */
function withPoint(curve, blast) {
  const last = curve.at(-1);
  const { seconds, answered_per_second = 0, latency_ms } = figures(blast) ?? {};
  if (!latency_ms || !seconds || (last && last.seconds >= seconds)) return curve;
  return [...curve.slice(1 - KEPT_POINTS), { seconds, answered_per_second, p50: latency_ms.p50, p99: latency_ms.p99 }];
}

/** @param {Blast} blast */
export const hasEnded = (blast) => blast.state !== "queued" && blast.state !== "running";

/** @param {Blast} one @param {Blast} other */
const byCreation = (one, other) => one.created_at.localeCompare(other.created_at);

/** Returns the newest blast of the sales that match. @param {State} state @param {(sale: string) => boolean} matches */
export function newestBlast(state, matches) {
  return Object.values(state.blasts)
    .filter((blast) => matches(blast.sale))
    .sort(byCreation)
    .at(-1);
}

/** Returns the figures of a blast: its result, or its progress so far. @param {Blast | undefined} blast */
export const figures = (blast) => blast?.result ?? blast?.progress ?? null;

const RATE_MS = 3_000;

/**
 * Returns the tickets per second that reached the ledger over the last RATE_MS, or null before the first event.
 * @param {SaleReading[] | undefined} readings @param {number} now  milliseconds since 1970
 */
export function drainRate(readings, now) {
  const last = readings?.at(-1);
  if (!readings || !last) return null;
  const before = readings.findLast((reading) => reading.at <= now - RATE_MS) ?? readings[0];
  return ((last.booked - before.booked) / RATE_MS) * 1000;
}
