// Types of the HTTP API, of the live events (see docs/http-api.md) and of the page's state, for the type checker only.

export interface TicketMap {
  round: number;
  stock: number;
  tickets_per_cell: number;
  sold: number[];
  sold_twice: number[];
  most: number[];
}

export interface Identity {
  stock: number;
  remaining: number | null;
  backlog: number | null;
  set_aside: number;
  booked: number;
  holds: boolean | null;
}

/** The last reported `status` of a FlashSale resource, as defined in k8s/crd.yaml. */
export interface Resource {
  workers?: { desired: number; pool: number; ready: number };
  conditions?: { type: string; status: "True" | "False" | "Unknown"; reason: string; message?: string }[];
}

export interface Sale {
  name: string;
  strategy: string;
  round: number;
  epoch: number;
  phase: string;
  stock: number;
  remaining: number | null;
  backlog: number | null;
  set_aside: number;
  booked: number;
  rejected: number;
  duplicates: number;
  oversold: number;
  undersold: number | null;
  lost: number | null;
  rebooked: number;
  customer_limit: number | null;
  think_ms: number;
  opens_at: string | null;
  closes_at: string | null;
  paused: boolean;
  managed_by: string;
  ended_at: string | null;
  identity: Identity;
  counter_says: number | null;
  tickets: TicketMap;
  resource: Resource | null;
}

export interface LoadSummary {
  requests: number;
  sent: number;
  unsent: number;
  accepted: number;
  sold_out: number;
  errors: number;
  replayed: number;
  retried: number;
  outcomes: Record<string, number>;
  latency_ms: { p50: number; p95: number; p99: number; max: number };
  answered_per_second: number;
  accepted_per_second: number;
  seconds: number;
  failure?: string;
}

export interface Blast {
  id: string;
  sale: string;
  requests: number;
  concurrency: number;
  state: "queued" | "running" | "finished" | "cancelled" | "aborted";
  cancel_asked: boolean;
  progress: Partial<LoadSummary> | null;
  result: Partial<LoadSummary> | null;
  created_at: string;
  started_at: string | null;
  finished_at: string | null;
}

export interface Facts {
  strategies: { name: string; promises_exactness: boolean }[];
  charts: boolean;
  lab: boolean;
  needs_token: boolean;
}

/** One progress report of a running blast. */
export interface Point {
  seconds: number;
  answered_per_second: number;
  p50: number;
  p99: number;
}

/** The figures of one `sale` event. `at` is when it reached this page, in milliseconds since 1970. */
export interface SaleReading {
  at: number;
  booked: number;
  backlog: number | null;
}

export interface Notice {
  id: number;
  kind: "problem" | "done";
  text: string;
  command?: string;
}

export interface State {
  view: string;
  /** How often another view was chosen, so that a view can read again what changes while it is not shown. */
  visits: number;
  /** Milliseconds since 1970, updated every second, for figures that change with time alone. */
  now: number;
  connection: { status: "connecting" | "open" | "lost"; away: string | null };
  facts: Facts | null;
  sales: Record<string, Sale>;
  readings: Record<string, SaleReading[]>;
  blasts: Record<string, Blast>;
  curves: Record<string, Point[]>;
  notices: Notice[];
  /** For each view, the values that the user has entered or chosen. */
  // biome-ignore lint/suspicious/noExplicitAny: each view knows the types of its own values
  forms: Record<string, Record<string, any>>;
}

export type Store = { get(): State; update(change: (state: State) => State): void };

/** One purchase of a strategy that races, from its read to its write. Times are in seconds since 1970. */
export interface Attempt {
  number: number;
  strategy: string;
  hazard: string;
  guards: string;
  quantity: number;
  version_read: string;
  value_read: number;
  read_at: number;
  version_written: string | null;
  value_written: number | null;
  wrote_at: number | null;
  reservation_id: string | null;
  pod: string;
  process: string;
  trace_id: string | null;
}

/** Two attempts that read the same version and both wrote. */
export interface Witness {
  hazard: string;
  first: Attempt;
  second: Attempt;
}

/** The evidence of a round that was fetched so far. `problem` is the reason why there is none. */
export interface Evidence {
  sale: string;
  round: number;
  attempts: Attempt[];
  witnesses: Witness[];
  collided: Set<number>;
  total: number;
  written: number;
  trace_url: string | null;
  problem: string | null;
}

/** The result of one strategy in a race, with its figures over all runs. */
export interface Entry {
  strategy: string;
  promises_exactness: boolean;
  exact: boolean;
  checked?: boolean;
  failure: string | null;
  figures: Record<string, { median: number; lowest: number; highest: number } | undefined>;
  findings: { anomaly: string; count: number }[];
}

/** The report that `atomictickets race --json` writes. */
export interface RaceReport {
  started_at: string;
  interrupted?: boolean;
  workload: Record<string, string | number>;
  race: Entry[];
}
