// The shapes of the HTTP API and of the live events, as docs/http-api.md has them. For the type checker alone.

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

/** What the operator told last of a FlashSale: its `status`, as k8s/crd.yaml has it. */
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
  customer_limit: number | null;
  think_ms: number;
  opens_at: string | null;
  closes_at: string | null;
  paused: boolean;
  managed_by: string;
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

/** One report of a running blast. */
export interface Point {
  seconds: number;
  accepted_per_second: number;
  p50: number;
  p99: number;
}

/** What a look at a sale showed, and when it reached this page (milliseconds since 1970). */
export interface Look {
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
  /** Milliseconds since 1970, to the second: what only time changes is told by it. */
  now: number;
  connection: { status: "connecting" | "open" | "lost"; away: string | null };
  facts: Facts | null;
  sales: Record<string, Sale>;
  looks: Record<string, Look[]>;
  blasts: Record<string, Blast>;
  curves: Record<string, Point[]>;
  notices: Notice[];
  /** Of each view: what a person has typed or chosen there. */
  // biome-ignore lint/suspicious/noExplicitAny: each view knows its own
  forms: Record<string, Record<string, any>>;
}

export type Store = { get(): State; update(change: (state: State) => State): void };

/** The window of one purchase under a strategy that races; times in seconds since 1970. */
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

export interface Witness {
  hazard: string;
  first: Attempt;
  second: Attempt;
}

/** All that was fetched of a round. `problem` says why there is nothing. */
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

/** One strategy in a race; `figures` over all runs. */
export interface Entry {
  strategy: string;
  promises_exactness: boolean;
  exact: boolean;
  failure: string | null;
  figures: Record<string, { median: number; lowest: number; highest: number } | undefined>;
  findings: { anomaly: string; count: number }[];
}

/** What `atomictickets race --json` writes. */
export interface RaceReport {
  started_at: string;
  workload: Record<string, string | number>;
  race: Entry[];
}
