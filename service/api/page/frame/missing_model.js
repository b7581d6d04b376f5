/** What stands in the place of a panel whose model does not serve.
 *
 * @typedef {import('../panels.js').PanelEntry} PanelEntry
 * @typedef {import('../server/types.js').Model} Model
 */
import { useAnswer } from '../server/use_answer.js';
import { html, useEffect } from '../vendor/preact.js';

/** Between two looks at whether it serves. */
const AGAIN_MS = 3_000;
const INDEX = { path: 'v2/repository/index', method: 'POST' };

/** @param {{ server: import('../server/client.js').Server, entry: PanelEntry, name: string | null, models: Model[],
 *     onModel: (model: Model) => void, onModelsChanged: () => void }} props
 *     name: of the model that was asked for; null: any of the panel's task. models: those of the task that serve.
 *     onModel: goes on with another. onModelsChanged: has the list of models read again */
export function MissingModel({ server, entry, name, models, onModel, onModelsChanged }) {
  const { answer: index } = useAnswer(server, INDEX);
  useEffect(() => {
    const look = async () => {
      try {
        const { data } = await server.send({ path: 'v1/models' }, { quiet: true });
        if (data.data.some((/** @type {Model} */ { id, task }) => (name === null ? task === entry.task : id === name))) onModelsChanged();
      } catch {
        // The frame says what is wrong with the server.
      }
    };
    const timer = setInterval(look, AGAIN_MS);
    return () => clearInterval(timer);
  }, [server, entry, name, onModelsChanged]);

  /** @type {{ name: string, state: string, reason: string }[]} */
  const versions = index?.data ?? [];
  const idle = [...new Set(versions.map((each) => each.name))].filter((each) => !versions.some((other) => other.name === each && other.state === 'READY'));
  return html`
    <section class="card stack" aria-label="Missing model">
      <h2>${name === null ? `No model of this server does ${entry.task}` : `${name} does not serve now`}</h2>
      ${name === null ? html`<p>${idle.length > 0 ? html`Not loaded ${idle.length > 1 ? 'are' : 'is'} ${idle.join(', ')}: if it does ${entry.task}, load it in <a href="#/models">Models</a>.`
    : html`Put one into the model repository, or train one with lectern-train. <a href="#/models">Models</a> shows what there is to load.`}</p>`
    : html`<p>${reasonOf(name, versions, index !== null)} <a href="#/models">Models</a> shows what there is to load.</p>`}
      ${name !== null && html`<p class="caption">What you entered stays here: the panel comes back once ${name} serves.</p>`}
      ${models.length > 0 && html`<div class="buttons"><span class="caption">Or go on with</span>
        ${models.map((model) => html`<button key=${model.id} type="button" class="button" onClick=${() => onModel(model)}>${model.id}</button>`)}</div>`}
    </section>`;
}

/** Why a model does not serve, in words. @param {string} name @param {{ name: string, state: string, reason: string }[]} versions
 * @param {boolean} isKnown whether the server lets the page see what there is */
function reasonOf(name, versions, isKnown) {
  const last = versions.filter((each) => each.name === name).at(-1);
  if (!last) return isKnown ? `There is no model named ${name} in its repository.` : '';
  if (last.state === 'LOADING') return 'It is loading.';
  return last.reason === 'unloaded' || !last.reason ? 'It is unloaded.' : `It could not be loaded: ${last.reason}.`;
}
