/** The server's metrics in Prometheus' text format: what is read of them, and what two readings say of the time between.
 *
 * @typedef {object} Counters of a model, all its versions together
 * @property {number} requests
 * @property {number} inferences rows
 * @property {number} executions runs of the model
 * @property {Map<number, number>} buckets how many requests took at most so many seconds
 *
 * @typedef {{ at: number, models: Map<string, Counters> }} Reading at: milliseconds
 *
 * @typedef {object} Rates what was between two readings; NaN where nothing was
 * @property {number} requests each second
 * @property {number} p50 seconds
 * @property {number} p99 seconds
 * @property {number} batch mean rows of a run
 */

const LINE = /^(lectern_(?:requests_total|inferences_total|executions_total|stage_seconds_bucket))\{(.*)\} (\S+)/;
const LABEL = /(\w+)="((?:[^"\\]|\\.)*)"/g;
/** @type {Record<string, 'requests' | 'inferences' | 'executions'>} */
const COUNTERS = {
  lectern_requests_total: 'requests', lectern_inferences_total: 'inferences', lectern_executions_total: 'executions',
};

/** @param {string} text @param {number} at milliseconds @returns {Reading} */
export function parseMetrics(text, at) {
  /** @type {Map<string, Counters>} */
  const models = new Map();
  for (const line of text.split('\n')) {
    const [, metric, list, number] = line.match(LINE) ?? [];
    if (!metric) continue;
    const labels = Object.fromEntries([...list.matchAll(LABEL)].map(([, name, value]) => [name, value]));
    if (labels.stage && labels.stage !== 'total') continue;
    const counters = models.get(labels.model) ?? { requests: 0, inferences: 0, executions: 0, buckets: new Map() };
    models.set(labels.model, counters);
    const value = Number(number);
    if (metric in COUNTERS) counters[COUNTERS[metric]] += value;
    else {
      const bound = labels.le === '+Inf' ? Infinity : Number(labels.le);
      counters.buckets.set(bound, (counters.buckets.get(bound) ?? 0) + value);
    }
  }
  return { at, models };
}

/** What was between two readings, of one model or of all.
 * @param {Reading} earlier @param {Reading} later @param {string | null} [model] null: all
 * @returns {Rates} */
export function between(earlier, later, model = null) {
  const [before, after] = [total(earlier, model), total(later, model)];
  const buckets = [...after.buckets].map(([bound, count]) => /** @type {[number, number]} */ ([bound, count - (before.buckets.get(bound) ?? 0)]));
  const [requests, inferences, executions] = [
    after.requests - before.requests, after.inferences - before.inferences, after.executions - before.executions];
  // The server, one of its workers or a version began anew.
  if (Math.min(requests, inferences, executions, ...buckets.map(([, count]) => count)) < 0) {
    return { requests: NaN, p50: NaN, p99: NaN, batch: NaN };
  }
  return {
    requests: requests / ((later.at - earlier.at) / 1000),
    p50: quantile(buckets, 0.5),
    p99: quantile(buckets, 0.99),
    batch: executions ? inferences / executions : NaN,
  };
}

/** @param {Reading} reading @param {string | null} model @returns {Counters} */
function total({ models }, model) {
  const sum = { requests: 0, inferences: 0, executions: 0, buckets: new Map() };
  for (const [name, counters] of models) {
    if (model !== null && name !== model) continue;
    sum.requests += counters.requests;
    sum.inferences += counters.inferences;
    sum.executions += counters.executions;
    for (const [bound, count] of counters.buckets) sum.buckets.set(bound, (sum.buckets.get(bound) ?? 0) + count);
  }
  return sum;
}

/** The quantile of a histogram, as Prometheus' histogram_quantile estimates it: evenly spread within a bucket.
 * @param {[number, number][]} buckets upper bound and count of what is at most so large
 * @param {number} q between 0 and 1 @returns {number} NaN of an empty histogram */
export function quantile(buckets, q) {
  const sorted = [...buckets].sort(([a], [b]) => a - b);
  const rank = q * (sorted.at(-1)?.[1] ?? 0);
  if (!rank) return NaN;
  const index = sorted.findIndex(([, count]) => count >= rank);
  const [low, below] = index ? sorted[index - 1] : [0, 0];
  const [high, count] = sorted[index];
  return high === Infinity ? low : low + ((high - low) * (rank - below)) / (count - below);
}
