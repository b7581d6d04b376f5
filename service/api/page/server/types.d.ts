// What the server answers, as docs/api.md describes it: only what the page reads.

export interface Metric { name: string; value: number; unit: string; data: string }

export interface Model {
  id: string;
  task: string;
  version: string;
  versions: string[];
  description: string;
  labels: string[] | null;
  metrics: Metric[];
  licence: { weights: string; attribution: string; data: string };
  providers: Record<string, { requested: string[]; actual: string[]; nodes?: Record<string, number>; device?: string }>;
  limits: Record<string, number>;
  details: Record<string, any>;
  [other: string]: any;
}

/** A model of the server's repository of which no version serves. */
export interface IdleModel {
  id: string;
  /** null: no manifest of it can be read. */
  task: string | null;
  state: 'LOADING' | 'UNLOADING' | 'UNAVAILABLE';
  reason: string;
}

/** One call: what `Server.send` sends, and what "As code" shows. */
export interface Call {
  method?: string;
  /** Relative to the server, without a slash before it: v1/tag. */
  path: string;
  query?: Record<string, string | number | boolean>;
  /** Sent as JSON. */
  body?: unknown;
  /** Sent as it is, in place of `body`. */
  file?: { content: Blob; name: string; type: string };
}

/** What came back. */
export interface Answer<T = any> {
  data: T;
  call: Call;
  headers: Headers;
  /** From the call to the end of its answer, in the browser. */
  milliseconds: number;
  /** Of Server-Timing, in the server's order. */
  stages: { name: string; milliseconds: number }[];
}
