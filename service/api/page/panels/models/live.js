/** The last minutes of the server as small plots: requests, their time, and how many rows a run of a model has. */
import { LinePlot } from '../../components/line_plot.js';
import { three } from '../../components/numbers.js';
import { forPerson } from '../../components/server_message.js';
import { html, useState } from '../../vendor/preact.js';
import { between } from './metrics.js';

/** @typedef {ReturnType<typeof import('./use_live.js').useLive>} LiveState */

/** @param {{ live: LiveState, model: string }} props model: the chosen one */
export function Live({ live: { readings, error }, model }) {
  const [onlyChosen, setOnlyChosen] = useState(false);
  if (error && readings.length < 2) return html`<p class="caption" role="status">${refusalOf(error)}</p>`;
  // Empty until there are two readings: what stands below does not move when they come.
  const isAwaited = readings.length < 2;
  const last = readings.at(-1)?.at ?? 0;
  const rates = readings.slice(1).map((reading, index) => between(readings[index], reading, onlyChosen ? model : null));
  const x = readings.slice(1).map(({ at }) => (at - last) / 1000);
  const plot = (/** @type {string} */ label, /** @type {Record<string, number[]>} */ lines, unit = '') => html`
    <${LinePlot} label=${label} fromZero domain=${[Math.min(-60, x[0] ?? 0), 0]} lines=${Object.entries(lines).map(([name, y]) => ({ name, x, y }))}
      format=${(/** @type {number} */ value) => (Number.isFinite(value) ? three(value) + unit : 'none')} formatX=${ago} />`;
  return html`
    <div class="stack">
      <div class="buttons" role="group" aria-label="Requests of which models">
        <button type="button" class="button" aria-pressed=${!onlyChosen} onClick=${() => setOnlyChosen(false)}>All models</button>
        <button type="button" class="button" aria-pressed=${onlyChosen} onClick=${() => setOnlyChosen(true)}>${model}</button>
      </div>
      <div class="plots">
        ${plot('Requests each second', { now: rates.map(({ requests }) => requests) })}
        ${plot('Time of a request', { median: rates.map(({ p50 }) => p50 * 1000), p99: rates.map(({ p99 }) => p99 * 1000) }, ' ms')}
        ${plot('Inputs in one run', { mean: rates.map(({ batch }) => batch) })}
      </div>
      <p class="caption">${isAwaited && html`<span role="status">Reading the server's metrics twice … </span>`}The last five minutes as far as this page was there, read every five seconds. Times are in the server, from the start
        of a request to its answer, estimated from a histogram: half of the requests took less than the median, 99 of 100 less than p99. Inputs in one run: how many the model
        took at once.
        ${error && ` Since then: ${refusalOf(error)}`}</p>
    </div>`;
}

/** A model in the last minutes, in words. @param {LiveState} live @param {string} model */
export function inWords({ readings, error }, model) {
  if (readings.length < 2) return error ? 'not known: “The last minutes” below says why' : 'reading …';
  const { requests, p50, p99, batch } = between(readings[0], readings[readings.length - 1], model);
  if (!(requests > 0)) return 'no requests in the last minutes';
  return `${three(requests)} requests each second, half of them within ${three(p50 * 1000)} ms and 99 of 100 within ${three(p99 * 1000)} ms${
    Number.isFinite(batch) ? `; ${three(batch)} inputs in one run` : ''}`;
}

/** @param {number} seconds */
const ago = (seconds) => (seconds > -0.5 ? 'now' : seconds > -119.5 ? `−${Math.round(-seconds)} s` : `−${Math.round(-seconds / 60)} min`);

/** @param {import('../../server/errors.js').ServerError} error */
function refusalOf({ status, message }) {
  if (status === 403) return 'This API key may not read the metrics of the server: that takes the scope metrics.';
  if (status === 401) return 'The metrics of the server are read with an API key of the scope metrics.';
  if (status === 404) return 'The metrics of this server are not on this port: its operator has put them on another.';
  return `The metrics of the server could not be read. ${forPerson(message).text}`;
}
