// The layout of the windows of a race, in fractions of the width and in rows. All functions are pure.

/** @import { Attempt } from "../core/types.js" */

/**
 * `from` and `to` are fractions of the whole time. `row` is counted over all lanes.
 * @typedef {{ attempt: Attempt, from: number, to: number, row: number }} Bar
 * @typedef {{ name: string, rows: number }} Lane
 * @typedef {{ bars: Bar[], lanes: Lane[], rows: number, seconds: number, byRow: Bar[][] }} Plan
 */

export const ROW_PX = 9;
const LEAST_SECONDS = 0.001;

/** @type {WeakMap<Attempt[], Plan>} */
const planned = new WeakMap();

/** Returns the layout of these attempts, computed only once. @param {Attempt[]} attempts @returns {Plan} */
export function schedule(attempts) {
  const known = planned.get(attempts) ?? plan(attempts);
  planned.set(attempts, known);
  return known;
}

/** @param {Attempt[]} attempts @returns {Plan} */
function plan(attempts) {
  const start = attempts.reduce((least, { read_at }) => Math.min(least, read_at), Number.POSITIVE_INFINITY);
  const end = attempts.reduce((most, each) => Math.max(most, endOf(each)), start);
  const seconds = Math.max(LEAST_SECONDS, end - start);
  /** @type {Bar[]} */
  const bars = [];
  /** @type {Lane[]} */
  const lanes = [];
  let rows = 0;
  for (const [name, members] of byLane(attempts)) {
    /** The times at which the rows of the lane are free again. @type {number[]} */
    const free = [];
    for (const attempt of members) {
      const found = free.findIndex((at) => at <= attempt.read_at);
      const row = found === -1 ? free.length : found;
      free[row] = endOf(attempt);
      bars.push({
        attempt,
        from: (attempt.read_at - start) / seconds,
        to: (endOf(attempt) - start) / seconds,
        row: rows + row,
      });
    }
    lanes.push({ name, rows: free.length });
    rows += free.length;
  }
  /** @type {Bar[][]} */
  const byRow = Array.from({ length: rows }, () => []);
  for (const bar of bars) byRow[bar.row].push(bar);
  return { bars, lanes, rows, seconds, byRow };
}

/** @param {Attempt} attempt */
const endOf = ({ read_at, wrote_at }) => Math.max(wrote_at ?? read_at, read_at + LEAST_SECONDS);

/** Returns the name of the process that made the attempt. @param {Attempt} attempt */
export const laneOf = ({ pod, process }) => (process && process !== pod ? `${pod} ${process}` : pod);

/** Returns the lanes by name, each with its attempts in the order of their reads. @param {Attempt[]} attempts */
function byLane(attempts) {
  /** @type {Map<string, Attempt[]>} */
  const lanes = new Map();
  for (const attempt of attempts) {
    const name = laneOf(attempt);
    const members = lanes.get(name);
    if (members) members.push(attempt);
    else lanes.set(name, [attempt]);
  }
  for (const members of lanes.values()) members.sort((one, other) => one.read_at - other.read_at);
  return [...lanes].sort(([one], [other]) => one.localeCompare(other));
}

/**
 * Returns the attempt at a place, or next to it in the same row.
 * @param {Plan} plan @param {{ across: number, row: number, slack: number }} place  `across` and `slack` as fractions
 * @returns {Attempt | null}
 */
export function nearest({ byRow }, { across, row, slack }) {
  const hit = byRow[row]?.find(({ from, to }) => across >= from - slack && across <= to + slack);
  return hit?.attempt ?? null;
}
