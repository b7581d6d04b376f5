/** Models: what serves, how good it is, what it is made of, and what the server does now. */
import { AsCode } from '../../components/as_code.js';
import { Fold } from '../../components/fold.js';
import { loadStyles } from '../../components/styles.js';
import { PANELS } from '../../panels.js';
import { html } from '../../vendor/preact.js';
import { Card } from './card.js';
import { Evaluation, evaluationCall } from './evaluation.js';
import { Graphs, graphCall } from './graph.js';
import { Live, inWords } from './live.js';
import { amount, headline, labelOf, splitOf } from './metric_terms.js';
import { ModelVersions, NotServing } from './repository.js';
import { useLive } from './use_live.js';
import { indexCall, useRepository } from './use_repository.js';

await loadStyles(new URL('models.css', import.meta.url).href);

/** @typedef {import('../../server/types.js').Model} Model */

/** Its task, version, and how good it is. @param {Model} model */
const inShort = ({ task, version, metrics }) => {
  const metric = headline(metrics);
  const split = metric && splitOf(metric);
  return `${task}, version ${version}${metric ? ` · ${labelOf(metric)} ${amount(metric)}${split ? ` (${split})` : ''}` : ''}`;
};

/** @param {Omit<import('../../panels.js').PanelProps, 'model'> & { model: Model | null }} props */
export function Panel({ server, model, models, setQuery, idle, allowsModelControl, onModelsChanged }) {
  const live = useLive(server);
  const repository = useRepository(server, onModelsChanged);
  const notServing = html`<${NotServing} repository=${repository} idle=${idle} names=${models.map(({ id }) => id)} isAllowed=${allowsModelControl} />`;
  if (!model) {
    return html`
      <section class="card stack" aria-label="Models">
        <h2>This server has no models</h2>
        <p>Put one into the model repository, or train one with lectern-train, and load it.</p>
        ${notServing}
      </section>`;
  }
  const card = models.find(({ id }) => id === model.id) ?? model;
  return html`
    <div class="panel models">
      <section class="card input stack" aria-label="Models">
        <ul class="choices">${models.map((each) => html`
          <li key=${each.id}><button type="button" aria-pressed=${each.id === model.id}
            onClick=${() => setQuery({ model: each.id, version: null }, { push: true })}>
            <span class="name">${each.id}</span>
            <span class="caption">${inShort(each)}</span>
          </button></li>`)}</ul>
        ${notServing}
        <${WithoutModel} models=${models} idle=${idle} />
      </section>
      <section class="card answer stack" aria-label="Model ${model.id}">
        <${Card} model=${card} version=${model.version} words=${inWords(live, model.id)} />
        <${ModelVersions} key=${model.id} repository=${repository} model=${card} isAllowed=${allowsModelControl} />
      </section>
      <div class="wide folds">
        <${Fold} name="models/live" title="The last minutes" open><${Live} live=${live} model=${model.id} /><//>
        <${Fold} name="models/graph" title="What it is made of" open>${() => html`<${Graphs} server=${server} model=${model} />`}<//>
        <${Fold} name="models/evaluation" title="How it was measured" open>${() => html`<${Evaluation} server=${server} model=${model} />`}<//>
        <${AsCode} server=${server} name="models" calls=${[{ path: 'v1/models' }, repository.error ? null : indexCall, graphCall(model), evaluationCall(model)]} />
      </div>
    </div>`;
}

/** Which panels are not there, and why. @param {{ models: Model[], idle: import('../../server/types.js').IdleModel[] }} props */
function WithoutModel({ models, idle }) {
  const tasks = new Set([...models, ...idle].map(({ task }) => task));
  const without = PANELS.filter(({ task }) => task && !tasks.has(task));
  return without.length > 0 && html`<p class="caption">Without a model on this server, and so not shown: ${
    without.map(({ label, task }) => `${label} (${task})`).join(', ')}.</p>`;
}
