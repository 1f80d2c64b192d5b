// The columns and the order of the table. All functions are pure.

/** @import { Entry } from "../core/types.js" */
/**
 * `name` is the figure in the report; `digits` are decimal places.
 * @typedef {{ name: string, title: string, unit: string, digits: number }} Column
 */

/** @type {Column[]} */
export const COLUMNS = [
  { name: "answered_per_second", title: "Answered", unit: "purchases/s", digits: 0 },
  { name: "p99_ms", title: "p99", unit: "ms", digits: 1 },
  { name: "stock", title: "Stock", unit: "tickets", digits: 0 },
  { name: "sold", title: "Sold", unit: "tickets", digits: 0 },
  { name: "oversold", title: "Oversold", unit: "tickets", digits: 0 },
  { name: "undersold", title: "Undersold", unit: "tickets", digits: 0 },
  { name: "errors", title: "Other answers, or none", unit: "requests", digits: 0 },
  { name: "seconds_to_consistent", title: "Consistent after", unit: "s", digits: 2 },
  { name: "p50_ms", title: "p50", unit: "ms", digits: 1 },
  { name: "p95_ms", title: "p95", unit: "ms", digits: 1 },
  { name: "p999_ms", title: "p99.9", unit: "ms", digits: 1 },
  { name: "retries", title: "Retries", unit: "per ticket", digits: 2 },
  { name: "aborts", title: "Aborts", unit: "per ticket", digits: 2 },
  { name: "asked_again", title: "Asked again", unit: "per purchase", digits: 2 },
  { name: "lock_wait_ms", title: "Lock wait", unit: "ms", digits: 1 },
  { name: "connections", title: "Connections", unit: "peak", digits: 0 },
  { name: "redis_calls", title: "Redis calls", unit: "per purchase", digits: 2 },
];

/** @param {string} name */
export const columnNamed = (name) => COLUMNS.find((column) => column.name === name) ?? COLUMNS[0];

/** Returns the median of a figure, or null if it was not measured. @param {Entry} entry @param {Column} column */
export const medianOf = (entry, { name }) => entry.figures[name]?.median ?? null;

/**
 * Returns the entries in order. Unknown figures come last in both directions.
 * @param {Entry[]} entries @param {Column} column @param {boolean} down
 */
export function sorted(entries, column, down) {
  const sign = down ? -1 : 1;
  return [...entries].sort((one, other) => {
    const [a, b] = [medianOf(one, column), medianOf(other, column)];
    if (a === null || b === null) return Number(a === null) - Number(b === null);
    return sign * (a - b) || one.strategy.localeCompare(other.strategy);
  });
}

/** @param {Entry} entry */
export function verdictOf({ exact, checked, failure, findings, promises_exactness }) {
  if (failure) return { good: false, text: `could not run: ${failure}` };
  if (exact && checked === false)
    return { good: true, text: "exact by the service's own account, which nobody checked" };
  if (exact) return { good: true, text: "exact in every run" };
  const found = findings.map((finding) => finding.anomaly).join(", ");
  return {
    good: false,
    text: `${found || "not exact"}${promises_exactness ? ", although it promises exactness" : "; exactness is not promised"}`,
  };
}

/** Returns the entries as CSV with CRLF (RFC 4180). @param {Entry[]} entries */
export function csv(entries) {
  const head = [
    "strategy",
    "exact",
    ...COLUMNS.flatMap(({ name }) => [`${name} median`, `${name} lowest`, `${name} highest`]),
  ];
  const rows = entries.map((entry) => [
    entry.strategy,
    entry.exact,
    ...COLUMNS.flatMap(({ name }) => {
      const { median = "", lowest = "", highest = "" } = entry.figures[name] ?? {};
      return [median, lowest, highest];
    }),
  ]);
  return `${[head, ...rows].map((row) => row.join(",")).join("\r\n")}\r\n`;
}
