/** The frame: which panels there are, which is shown, and what is known of the server.
 *
 * @typedef {import('../panels.js').PanelEntry} PanelEntry
 * @typedef {import('../server/types.js').Model} Model
 */
import { Icon } from '../components/icon.js';
import { Problem } from '../components/problem.js';
import { PANELS } from '../panels.js';
import { useAnswer } from '../server/use_answer.js';
import { html, useCallback, useEffect, useLayoutEffect, useRef, useState } from '../vendor/preact.js';
import { useHealth } from './health.js';
import { KeyPrompt } from './key_prompt.js';
import { MissingModel, isFailed, listOf } from './missing_model.js';
import { usePreference } from './preference.js';
import { addressOf, useAddress } from './router.js';
import { TopBar } from './top_bar.js';

const MODELS = { path: 'v1/models' };

/** @param {{ server: import('../server/client.js').Server }} props */
export function App({ server }) {
  const { address, isTooLong, go } = useAddress();
  const health = useHealth(server);
  const listing = useAnswer(server, MODELS);
  const [projector, setProjector] = usePreference('projector', false);
  const [keyMessage, setKeyMessage] = useState(/** @type {string | null} */ (null));
  /** The model that each panel showed last: another one must not answer in its place unasked. */
  const shown = useRef(/** @type {Map<string, string>} */ (new Map()));
  /** The panels of which the server had a model since the page was opened, serving or not: they are in the rail. */
  const seen = useRef(/** @type {Set<string>} */ (new Set()));
  const panelStates = useRef(Object.fromEntries(PANELS.map(({ id }) => [id, new Map()])));

  useEffect(() => void document.documentElement.toggleAttribute('data-projector', projector), [projector]);
  // Before the next frame: the first answer may come sooner.
  useLayoutEffect(() => server.listen((event) => {
    if (event.type !== 'error') return;
    if (event.error.kind === 'key') setKeyMessage(event.error.message);
    if (event.error.isAboutModels) listing.retry();
  }), [server]);
  useEffect(() => { if (health === 'ready') server.tellReady(); }, [health]);

  /** @type {Model[]} */
  const models = listing.answer?.data.data ?? [];
  /** @type {import('../server/types.js').IdleModel[]} */
  const idle = listing.answer?.data.lectern?.not_serving ?? [];
  const failed = idle.filter(isFailed).map(({ id }) => id);
  const modelsOf = (/** @type {PanelEntry} */ entry) => models.filter((model) => !entry.task || model.task === entry.task);
  for (const each of PANELS) {
    if (modelsOf(each).length || idle.some(({ task }) => !each.task || task === each.task)) seen.current.add(each.id);
  }
  const entries = PANELS.filter(({ id }) => !listing.answer || seen.current.has(id));
  // A first visit shows the first panel of the rail, and where its model does not serve, why.
  const entry = PANELS.find(({ id }) => id === address.panel)
    ?? (address.panel ? undefined : entries.find(({ task }) => task) ?? PANELS.find(({ needsModels }) => needsModels === false));
  const served = entry ? modelsOf(entry) : [];
  const wanted = entry?.task ? address.query.get('model') ?? shown.current.get(entry.id) : undefined;
  const isMissing = wanted !== undefined && !models.some(({ id }) => id === wanted);
  const model = entry && !isMissing ? chosen(entry, served, address.query) : null;
  useEffect(() => { if (entry && model) shown.current.set(entry.id, model.id); }, [entry, model]);

  const hasInput = entry !== undefined && (panelStates.current[entry.id].size > 0
    || [...address.query.keys()].some((name) => name !== 'model' && name !== 'version'));
  const allowsModelControl = listing.answer?.data.lectern?.model_control === true;
  const setQuery = useCallback((/** @type {Record<string, string | null>} */ values, { push = false } = {}) => {
    const query = new URLSearchParams(address.query);
    for (const [name, value] of Object.entries(values)) {
      if (value === null) query.delete(name);
      else query.set(name, value);
    }
    go({ panel: entry?.id ?? '', query }, push);
  }, [address, entry, go]);

  const onModel = (/** @type {Model} */ next) => setQuery(
    { model: next.id, version: next.version === highest(next) ? null : next.version }, { push: true });

  useEffect(() => void (document.title = entry ? `${entry.label} · Lectern` : 'Lectern'), [entry]);

  return html`
    <div class="frame">
      <${Rail} entries=${entries} current=${entry?.id} />
      <${TopBar} title=${entry?.label ?? 'Lectern'} panel=${model ? entry?.id : ''} models=${served} model=${entry?.hasMenu === false ? null : model} onModel=${onModel} health=${health}
        server=${server} projector=${projector} onProjector=${setProjector} />
      <main id="main" tabindex="-1" data-panel=${entry?.id}>
        ${health === 'unreachable' && html`<p class="notice" role="alert">The server cannot be reached. What you entered stays
          here, and the page goes on by itself once the server is back.</p>`}
        ${health === 'not ready' && html`<p class="notice" role="alert">${failed.length ? html`<span>${listOf(failed)} could not be loaded:
          ${' '}<a href="#/models">Models</a> says why. The other models of this server answer.</span>` : `The server is not ready: models are loading,
          or it is about to stop. The page goes on by itself once it is ready.`}</p>`}
        <p class="caption" role="status">${isTooLong && 'This input is too long for a link: the address leaves it out. This window keeps it when you reload or go back.'}</p>
        ${listing.error && !listing.answer && html`<div class="card"><${Problem} state=${listing} /></div>`}
        ${listing.slow && html`<p class="waiting">Asking which models there are …</p>`}
        ${listing.answer && (entry?.task && !model
    ? html`<${MissingModel} key=${entry.id} server=${server} entry=${entry} name=${wanted ?? null} hasInput=${hasInput} models=${served} idle=${idle}
      allowsModelControl=${allowsModelControl} onModel=${onModel} onModelsChanged=${listing.retry} />`
    : entry && (model || entry.needsModels === false) ? html`<${PanelSlot} key=${entry.id} entry=${entry} props=${{
      server, model, models: served, query: address.query, setQuery, panelState: panelStates.current[entry.id],
      idle, allowsModelControl, onModelsChanged: listing.retry,
    }} />`
    : html`<${NothingServed} entry=${entry} name=${address.panel} entries=${entries} />`)}
      </main>
      ${keyMessage !== null && html`<${KeyPrompt} server=${server} message=${keyMessage} onClose=${() => setKeyMessage(null)} />`}
    </div>`;
}

/** @param {{ entries: PanelEntry[], current: string | undefined }} props */
function Rail({ entries, current }) {
  return html`
    <nav class="rail" aria-label="Panels">
      <a class="brand" href=${addressOf(entries[0]?.id ?? '')} tabindex="-1" aria-hidden="true"><${Icon} name="lectern" />Lectern</a>
      <ul>${entries.map(({ id, label, icon }) => html`
        <li key=${id}><a href=${addressOf(id)} aria-current=${current === id ? 'page' : undefined}><${Icon} name=${icon} />${label}</a></li>`)}
      </ul>
    </nav>`;
}

/** Loads a panel the first time that it is shown; each entry has a slot of its own. @param {{ entry: PanelEntry, props: import('../panels.js').PanelProps }} props */
function PanelSlot({ entry, props }) {
  const [loaded, setLoaded] = useState(/** @type {any} */ (null));
  const [failed, setFailed] = useState(false);
  const [attempt, setAttempt] = useState(0);
  useEffect(() => {
    setFailed(false);
    entry.load().then((module) => setLoaded(() => module.Panel), () => setFailed(true));
  }, [attempt]);
  if (failed) {
    return html`<p class="notice" role="alert">This panel could not be loaded from the server.
      <button type="button" class="button" onClick=${() => (attempt ? location.reload() : setAttempt(1))}>Try again</button></p>`;
  }
  return loaded && html`<${loaded} ...${props} />`;
}

/** @param {{ entry: PanelEntry | undefined, name: string, entries: PanelEntry[] }} props */
function NothingServed({ entry, name, entries }) {
  const isUnknown = !entry && name !== '';
  return html`
    <div class="card stack">
      <h2>${isUnknown ? `There is no panel named ${name}` : 'This server has no models'}</h2>
      <p>${isUnknown ? html`<a href="docs">docs</a> lists every operation of the server.`
    : html`Put one into the model repository, or train one with lectern-train. <a href="#/models">Models</a> shows what there is to load.`}</p>
      ${entries.length > 0 && html`<p>There is: ${entries.map(({ id, label }, index) => html`${index ? ', ' : ''}<a href=${addressOf(id)}>${label}</a>`)}.</p>`}
    </div>`;
}

/** The model that the address names, or else the panel's choice.
 * @param {PanelEntry} entry @param {Model[]} models @param {URLSearchParams} query @returns {Model | null} */
function chosen(entry, models, query) {
  const named = models.find(({ id }) => id === query.get('model'));
  const model = named ?? (models.length ? (entry.choose?.(models) ?? models[0]) : null);
  const version = query.get('version');
  return model && version && model.versions.includes(version) ? { ...model, version } : model;
}

/** @param {Model} model */
const highest = (model) => model.versions.reduce((a, b) => (Number(a) > Number(b) ? a : b));
