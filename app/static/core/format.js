// Formats figures for people. A figure that is not known is shown as a dash, never as a zero.

const WHOLE = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
const TENTHS = new Intl.NumberFormat("en", { minimumFractionDigits: 1, maximumFractionDigits: 1 });
const CLOCK = new Intl.DateTimeFormat("en", {
  hour: "2-digit",
  minute: "2-digit",
  second: "2-digit",
  hourCycle: "h23",
});

/** @param {number | null | undefined} value */
export const whole = (value) => (value === null || value === undefined ? "–" : WHOLE.format(value));

/** @param {number | null | undefined} value  milliseconds */
export function milliseconds(value) {
  if (value === null || value === undefined) return "–";
  return `${value < 100 ? TENTHS.format(value) : WHOLE.format(value)} ms`;
}

/** @param {number | null | undefined} value  per second */
export const rate = (value) => (value === null || value === undefined ? "–" : `${WHOLE.format(value)}/s`);

/** @param {string | null | undefined} moment  ISO 8601 */
export const clock = (moment) => (moment ? CLOCK.format(new Date(moment)) : "–");

/** Returns the count with its noun. @param {number} count @param {string} one @param {string} [many] */
export const counted = (count, one, many = `${one}s`) => `${whole(count)} ${count === 1 ? one : many}`;
