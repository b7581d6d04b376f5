/** What stands in the place of a panel whose model does not serve: why, and what loads it.
 *
 * @typedef {import('../panels.js').PanelEntry} PanelEntry
 * @typedef {import('../server/types.js').Model} Model
 * @typedef {import('../server/types.js').IdleModel} IdleModel
 */
import { ServerMessage } from '../components/server_message.js';
import { useModelControl } from '../server/use_model_control.js';
import { html, useEffect } from '../vendor/preact.js';

/** Between two looks at whether it serves. */
const AGAIN_MS = 3_000;

/** @param {{ server: import('../server/client.js').Server, entry: PanelEntry, name: string | null, hasInput: boolean, models: Model[], idle: IdleModel[],
 *     allowsModelControl: boolean, onModel: (model: Model) => void, onModelsChanged: () => void }} props
 *     name: of the model that was asked for; null: any of the panel's task. hasInput: something was entered in the panel. models: those of the task that serve.
 *     onModel: goes on with another. onModelsChanged: has the list of models read again */
export function MissingModel({ server, entry, name, hasInput, models, idle, allowsModelControl, onModel, onModelsChanged }) {
  const { running, outcome, load } = useModelControl(server, onModelsChanged);
  const known = JSON.stringify(idle);
  useEffect(() => {
    const look = async () => {
      try {
        const { data } = await server.send({ path: 'v1/models' }, { quiet: true });
        const serves = data.data.some((/** @type {Model} */ { id, task }) => (name === null ? task === entry.task : id === name));
        if (serves || JSON.stringify(data.lectern?.not_serving ?? []) !== known) onModelsChanged();
      } catch {
        // The frame says what is wrong with the server.
      }
    };
    const timer = setInterval(look, AGAIN_MS);
    return () => clearInterval(timer);
  }, [server, entry, name, known, onModelsChanged]);

  const wanted = idle.filter(({ id, task }) => (name === null ? task === entry.task : id === name));
  // It may be one of these.
  const unknown = name === null && !wanted.length ? idle.filter(({ task }) => task === null).map(({ id }) => id) : [];
  return html`
    <section class="card stack" aria-label="Missing model">
      <h2>${titleOf(entry, name, wanted)}</h2>
      ${wanted.map((model) => html`
        <div key=${model.id} class="stack">
          ${isFailed(model) && outcome?.name !== model.id && html`<p>${wanted.length > 1 ? model.id : 'It'} could not be loaded: ${model.reason}.</p>`}
          ${allowsModelControl && model.state === 'UNAVAILABLE' && html`<div class="buttons">
            <button type="button" class="button main" disabled=${running !== null} onClick=${() => load(model.id)}>Load ${model.id}</button></div>`}
        </div>`)}
      ${running && html`<p class="waiting" role="status">${running.name} is loading …</p>`}
      ${!running && outcome?.failed && html`<div class="problem" role="alert"><${ServerMessage} message=${outcome.text} /></div>`}
      ${unknown.length > 0 && html`<p>Of ${unknown.join(', ')} the server cannot read what ${unknown.length > 1 ? 'they are' : 'it is'} for.</p>`}
      <p>${wanted.length ? !allowsModelControl && 'Whoever runs this server can load it. '
    : name === null && `It takes one of the task ${entry.task}: put one into the model repository, or train one with lectern-train. `}<a href="#/models">Models</a> shows what there is.</p>
      ${wanted.length > 0 && html`<p class="caption">${hasInput ? 'What you entered stays here: the panel comes back' : 'The panel comes'} once ${name ?? 'a model'} serves.</p>`}
      ${models.length > 0 && html`<div class="buttons"><span class="caption">Or go on with</span>
        ${models.map((model) => html`<button key=${model.id} type="button" class="button" onClick=${() => onModel(model)}>${model.id}</button>`)}</div>`}
    </section>`;
}

/** @param {PanelEntry} entry @param {string | null} name @param {IdleModel[]} wanted */
function titleOf(entry, name, wanted) {
  if (!wanted.length) return name === null ? `This server has no model for ${entry.label}` : `This server has no model named ${name}`;
  const names = wanted.map(({ id }) => id);
  if (wanted.length > 1) return `${listOf(names)} are not loaded`;
  const [model] = wanted;
  if (model.state === 'LOADING') return `${model.id} is loading`;
  return `${model.id} ${model.state === 'UNLOADING' ? 'is being unloaded' : 'is not loaded'}`;
}

/** Whether a model could not be loaded, for its reason. @param {IdleModel} model */
export const isFailed = ({ state, reason }) => state === 'UNAVAILABLE' && reason !== 'unloaded';

/** @param {string[]} names */
export const listOf = (names) => (names.length > 1 ? `${names.slice(0, -1).join(', ')} and ${names.at(-1)}` : names[0]);
