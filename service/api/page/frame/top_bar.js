/** The top: panel, model, time of the panel's last answer, state of the server, size.
 *
 * @typedef {import('../server/types.js').Model} Model
 * @typedef {import('../server/types.js').Answer} Answer
 */
import { Icon } from '../components/icon.js';
import { three } from '../components/numbers.js';
import { html, useLayoutEffect, useState } from '../vendor/preact.js';

/** What the server's stages do. @type {Record<string, string>} */
const STAGES = { queue: 'waiting for its turn', preprocess: 'preparing the input', infer: 'running the network', postprocess: 'writing the answer' };

/** @param {{ title: string, panel: string, models: Model[], model: Model | null, onModel: (model: Model) => void,
 *     health: import('./health.js').Health, server: import('../server/client.js').Server,
 *     projector: boolean, onProjector: (on: boolean) => void }} props */
export function TopBar({ title, panel, models, model, onModel, health, server, projector, onProjector }) {
  return html`
    <header class="top">
      <h1>${title}</h1>
      ${model && html`<${ModelMenu} models=${models} model=${model} onModel=${onModel} />`}
      <span class="spring"></span>
      <${Latency} key=${panel} server=${server} />
      <span class="status health" role="status">
        <span class="dot" data-state=${health}></span>${health}
      </span>
      <button type="button" class="button for-projector" aria-pressed=${projector} onClick=${() => onProjector(!projector)}
        title="Everything larger, for a projector"><${Icon} name="projector" /><span class="hidden-text">Projector size</span></button>
    </header>`;
}

/** @param {{ models: Model[], model: Model, onModel: (model: Model) => void }} props */
function ModelMenu({ models, model, onModel }) {
  const choices = models.flatMap((each) => each.versions.map((version) => ({ ...each, version })));
  const nameOf = (/** @type {Model} */ each) => `${each.id} · v${each.version}`;
  if (choices.length < 2) return html`<span class="caption model">${nameOf(model)}</span>`;
  const chosen = choices.findIndex((each) => each.id === model.id && each.version === model.version);
  return html`
    <label class="model"><span class="hidden-text">Model</span>
      <select class="select" value=${chosen} onChange=${(/** @type {any} */ event) => onModel(choices[Number(event.target.value)])}>
        ${choices.map((each, index) => html`<option key=${index} value=${index} selected=${index === chosen}>${nameOf(each)}</option>`)}
      </select></label>`;
}

/** Only answers of models have stages: the list of models or a file of weights has none. @param {{ server: import('../server/client.js').Server }} props */
function Latency({ server }) {
  const [answer, setAnswer] = useState(/** @type {Answer | null} */ (null));
  // Before the next frame: the first answer may come sooner.
  useLayoutEffect(() => server.listen((event) => void (event.type === 'answer' && !event.quiet && event.answer.stages.length > 0 && setAnswer(event.answer))), [server]);
  if (!answer) return html`<span class="latency"></span>`;
  return html`
    <span class="latency">
      <button type="button" aria-describedby="stages">${three(answer.milliseconds)} ms</button>
      <span class="stages" id="stages" role="tooltip">
        <span class="caption">${answer.call.path}, as the browser saw it; in the server:</span>
        <dl>${answer.stages.map(({ name, milliseconds }) => html`<dt key=${name}>${name}${STAGES[name] && html` <span class="caption">${STAGES[name]}</span>`}</dt><dd>${three(milliseconds)} ms</dd>`)}</dl>
      </span>
    </span>`;
}
