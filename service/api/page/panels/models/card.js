/** The card of a model: what it is, how good it is, on which data, and what runs it. */
import { three } from '../../components/numbers.js';
import { PANELS } from '../../panels.js';
import { html } from '../../vendor/preact.js';
import { amount, explained, headline, labelOf, meaningOf } from './metric_terms.js';

/** @typedef {import('../../server/types.js').Model} Model @typedef {import('../../server/types.js').Metric} Metric */

/** @param {{ model: Model, version: string, words: string }} props
 *     version: the chosen one, which may be another than that of the card. words: what the last minutes were like */
export function Card({ model, version, words }) {
  const { licence, limits, metrics } = model;
  const notFor = model.not_for ?? model.details.not_for;
  return html`
    <div class="model-card stack">
      <div><h2 class="label">${model.task}</h2><p class="name">${model.id}</p></div>
      <p>${model.description}</p>
      ${!PANELS.some(({ task }) => task === model.task) && html`<p class="notice"><span>This page has no panel for ${model.task}: <a href="docs">docs</a> has the
        operations of this server, to try there.</span></p>`}
      ${version !== model.version && html`<p class="notice">These are the results of version ${model.version}; the graph below is that of version ${version}.</p>`}
      <${Figures} metrics=${metrics} />
      <dl>
        ${notFor && html`<dt>Not for</dt><dd>${Array.isArray(notFor) ? notFor.join('; ') : notFor}</dd>`}
        <dt>Data</dt><dd>${licence.data}</dd>
        <dt>Licence</dt><dd>${licence.weights}; ${licence.attribution}</dd>
        ${model.labels && html`<dt>Labels</dt><dd>${model.labels.length}: ${model.labels.slice(0, 20).join(', ')}${model.labels.length > 20 ? ' …' : ''}</dd>`}
        ${model.details.temperature > 0 && html`<dt>Calibration</dt><dd>${calibrationOf(model.details.temperature)}</dd>`}
        <dt>At once</dt><dd>up to ${limits.max_batch_size} inputs in one run</dd>
        ${model.warm_up_ms !== undefined && html`<dt>Time</dt><dd>${three(model.warm_up_ms)} ms for one ordinary input, measured when it was loaded</dd>`}
        ${model.memory && html`<dt>Memory</dt><dd>${megabytes(model.memory.process_bytes)}${
          model.memory.device_bytes ? `, and ${megabytes(model.memory.device_bytes)} on the device` : ''}</dd>`}
        ${model.provider_choice && html`<dt>Choice</dt><dd>${choiceOf(model.provider_choice)}</dd>`}
        <dt>Now</dt><dd>${words}</dd>
      </dl>
      <${Providers} model=${model} />
    </div>`;
}

/** @param {number} temperature of a classifier's softmax */
const calibrationOf = (temperature) => (temperature === 1 ? 'none: its percentages are the plain softmax of the network’s outputs'
  : `a temperature of ${three(temperature)}: the network’s outputs are divided by it before the softmax, so that the percentages are as often right as they say`);

/** @param {{ metrics: Metric[] }} props */
function Figures({ metrics }) {
  // What follows a semicolon is how it was counted, such as the signature of BLEU.
  const nameOf = (/** @type {Metric} */ { data }) => data.split(';')[0];
  const first = headline(metrics);
  const sets = [...new Set([...(first ? [first] : []), ...metrics].map(nameOf))];
  const terms = explained(metrics);
  const rows = (/** @type {string[]} */ shown) => html`
    <dl class="figures">${shown.map((data) => html`
      <div key=${data}><dt>${data}</dt><dd>${metrics.filter((each) => nameOf(each) === data).map((each, index) => html`
        <span key=${index} title=${[meaningOf(each.name), each.data].filter(Boolean).join(' · ')}>${labelOf(each)} <strong>${amount(each)}</strong></span>`)}</dd></div>`)}</dl>`;
  if (!metrics.length) return html`<p class="caption">Its bundle does not say how good it is.</p>`;
  return html`
    ${rows(sets.slice(0, 3))}
    ${sets.length > 3 && html`<details><summary>Results on ${sets.length === 4 ? 'one more data set' : `${sets.length - 3} more data sets`}</summary>${rows(sets.slice(3))}</details>`}
    ${terms.length > 0 && html`<details><summary>What these numbers mean</summary><ul class="terms">${terms.map(({ label, meaning }) => html`
      <li key=${label}><b>${label}</b>: ${meaning}.</li>`)}</ul></details>`}`;
}

/** Asked for and running, graph by graph. @param {{ model: Model }} props */
function Providers({ model }) {
  const graphs = Object.entries(model.providers);
  return html`
    <div class="table-scroll" tabindex="0" role="region" aria-label="Execution providers">
      <table><caption>What runs each graph of the model</caption><thead><tr><th scope="col">Graph</th><th scope="col">Asked for</th><th scope="col">Runs on</th></tr></thead>
        <tbody>${graphs.map(([name, report]) => html`
          <tr key=${name}><th scope="row">${name}</th><td>${report.requested.map(providerName).join(', ')}</td>
            <td>${Object.keys(report.nodes ?? {}).length
    ? Object.entries(report.nodes ?? {}).map(([provider, nodes]) => `${providerName(provider)} (${nodes} nodes)`).join(', ')
    : report.actual.map(providerName).join(', ')}${report.device ? html`<div class="caption">${report.device}</div>` : ''}</td></tr>`)}</tbody></table>
    </div>`;
}

/** What `auto` measured. @param {{ provider: string, chosen_by: string, unusable: Record<string, string>,
 *     figures: Record<string, { one_row_seconds: number, rows: number, rows_seconds: number }> }} choice */
function choiceOf({ provider, chosen_by: by, figures, unusable }) {
  const measured = Object.entries(figures).map(([name, { one_row_seconds: one, rows, rows_seconds: all }]) =>
    `${providerName(name)} took ${three(one * 1000)} ms for one input, ${three(all * 1000)} ms for ${rows}`);
  const others = Object.entries(unusable).map(([name, reason]) => `${providerName(name)} cannot be used: ${reason}`);
  return `auto took ${providerName(provider)} for its ${by}: ${[...measured, ...others].join('; ')}`;
}

/** @param {string} provider as onnxruntime names it */
const providerName = (provider) => provider.replace(/ExecutionProvider$/, '');

/** @param {number} bytes */
const megabytes = (bytes) => `${three(bytes / 2 ** 20)} MiB`;
