/** How a model was measured: what it took for what, and how it learned. */
import { Heatmap } from '../../components/heatmap.js';
import { LinePlot } from '../../components/line_plot.js';
import { Problem } from '../../components/problem.js';
import { useAnswer } from '../../server/use_answer.js';
import { html, useState } from '../../vendor/preact.js';

/** @typedef {{ data: string, labels: string[], counts: number[][] }} Confusion
 * @typedef {{ x_label: string, series: { name: string, x: number[], y: number[] }[] }} LearningCurve */

const WORST = 5;

/** @param {import('../../server/types.js').Model} model */
export const evaluationCall = (model) => ({
  path: `v1/models/${encodeURIComponent(model.id)}/evaluation`, query: { version: model.version },
});

/** @param {{ server: import('../../server/client.js').Server, model: import('../../server/types.js').Model }} props */
export function Evaluation({ server, model }) {
  const state = useAnswer(server, evaluationCall(model));
  const evaluation = state.answer?.data.model === model.id ? state.answer.data : null;
  /** @type {Confusion[]} */
  const confusion = evaluation?.confusion ?? [];
  /** @type {LearningCurve | null} */
  const curve = evaluation?.learning_curve ?? null;
  if (state.error?.status === 404) return html`<p class="caption">This server does not say more than the figures above.</p>`;
  return html`
    <div class="stack">
      <${Problem} state=${state} />
      ${state.slow && html`<p class="waiting" role="status">Reading how ${model.id} was measured …</p>`}
      ${confusion.length > 0 && html`<${Matrix} key=${`${model.id} ${model.version}`} matrices=${confusion} />`}
      ${curve && html`<${Curve} curve=${curve} />`}
      ${evaluation && !confusion.length && html`<p class="caption">The bundle of ${model.id} has no confusion matrix.</p>`}
      ${evaluation && !curve && html`<p class="caption">The bundle of ${model.id} has no learning curve.</p>`}
    </div>`;
}

/** @param {{ matrices: Confusion[] }} props */
function Matrix({ matrices }) {
  // The last is of the test data.
  const [chosen, setChosen] = useState(matrices.length - 1);
  const [withRight, setWithRight] = useState(false);
  const { data, labels, counts } = matrices[chosen] ?? matrices[0];
  const total = counts.flat().reduce((a, b) => a + b, 0);
  const right = counts.reduce((sum, row, index) => sum + row[index], 0);
  const mistakes = counts.flatMap((row, y) => row.map((times, x) => ({ times, y, x })))
    .filter(({ times, y, x }) => times && x !== y).sort((a, b) => b.times - a.times).slice(0, WORST);
  return html`
    <section class="stack" aria-label="Confusion matrix">
      <h3>What it took for what</h3>
      <div class="buttons" role="group" aria-label="Data and what is drawn">
        ${matrices.length > 1 && matrices.map((each, index) => html`
          <button key=${index} type="button" class="button" aria-pressed=${index === chosen} onClick=${() => setChosen(index)}>${each.data}</button>`)}
        <button type="button" class="button" aria-pressed=${withRight} onClick=${() => setWithRight(!withRight)}>Show right answers too</button>
      </div>
      <p class="caption">${data}: ${right.toLocaleString('en')} of ${total.toLocaleString('en')} right. Rows are what it was, columns what the model said.
        ${mistakes.length > 0 && html` Most often: ${mistakes.map(({ times, y, x }) => `${labels[y]} taken for ${labels[x]} (${times}×)`).join(', ')}.`}</p>
      <${Heatmap} rows=${labels} columns=${labels} label="Confusion matrix, ${data}"
        values=${counts.map((row, y) => row.map((times, x) => (x === y && !withRight ? NaN : times)))}
        format=${(/** @type {number} */ value) => (Number.isFinite(value) ? value.toLocaleString('en') : 'right answers, not drawn')} />
    </section>`;
}

/** @param {{ curve: LearningCurve }} props */
function Curve({ curve: { x_label: unit, series } }) {
  return html`
    <section class="stack" aria-label="Learning curve">
      <h3>How it learned</h3>
      <div class="curve"><${LinePlot} lines=${series} label="Over ${unit}" width=${640} height=${260}
        formatX=${(/** @type {number} */ value) => value.toLocaleString('en')} /></div>
      <details><summary>The curve as a table</summary>
        <div class="table-scroll" tabindex="0" role="region" aria-label="Learning curve">
          ${series.map(({ name, x, y }) => html`
            <table key=${name}><thead><tr><th scope="col" class="number">${unit}</th><th scope="col" class="number">${name}</th></tr></thead>
              <tbody>${x.map((each, index) => html`
                <tr key=${index}><td class="number">${each.toLocaleString('en')}</td><td class="number">${y[index].toPrecision(4)}</td></tr>`)}</tbody></table>`)}
        </div></details>
    </section>`;
}
