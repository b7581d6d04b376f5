/** Which versions of the models serve, and loading and unloading them where the server allows it.
 *
 * @typedef {import('./use_repository.js').Repository} Repository
 * @typedef {import('./use_repository.js').Version} Version
 */
import { Confirm } from '../../components/confirm.js';
import { ServerMessage, forPerson } from '../../components/server_message.js';
import { refusalOf } from '../../server/use_model_control.js';
import { html, useState } from '../../vendor/preact.js';

/** @type {Record<Version['state'], string>} */
const STATES = { READY: 'serves', LOADING: 'is loading', UNLOADING: 'answers its last requests', UNAVAILABLE: 'does not serve' };

/** The versions of one model that serves.
 * @param {{ repository: Repository, model: import('../../server/types.js').Model, isAllowed: boolean }} props */
export function ModelVersions({ repository, model, isAllowed }) {
  const { error, running, load, unload } = repository;
  const [isAsking, setAsking] = useState(false);
  const name = model.id;
  const listed = repository.versions.filter((each) => each.name === name);
  if (error && !listed.length) return html`<p class="caption">${refusalOf(error) ?? `Which versions there are could not be read. ${forPerson(error.message).text}`}</p>`;
  // Until the index is there, those that serve: what stands below does not move when it comes.
  const versions = listed.length ? listed : model.versions.map((version) => (
    /** @type {Version} */ ({ name, version, state: 'READY', reason: '' })));
  const isBusy = running !== null || !listed.length;
  return html`
    <section class="stack repository" aria-label="Versions of ${name}">
      <h3>Versions</h3>
      <${VersionList} versions=${versions} onLoad=${isAllowed && versions.length > 1 && !isBusy ? (/** @type {string} */ version) => load(name, version) : null} />
      ${isAllowed ? html`<div class="buttons">
        <button type="button" class="button" disabled=${isBusy} onClick=${() => load(name)} title="Takes up versions that were added">Load again</button>
        <button type="button" class="button" disabled=${isBusy} onClick=${() => setAsking(true)}>Unload …</button></div>`
    : html`<p class="caption">This server has loading and unloading turned off.</p>`}
      <${Outcome} repository=${repository} names=${[name]} />
      ${isAsking && html`<${Confirm} title="Unload ${name}?" action="Unload" onConfirm=${() => unload(name)} onClose=${() => setAsking(false)}>
        Requests in progress are answered first. After that nobody gets answers of ${name} until it is loaded again.<//>`}
    </section>`;
}

/** The models of which no version serves. @param {{ repository: Repository, idle: import('../../server/types.js').IdleModel[],
 *     names: string[], isAllowed: boolean }} props names: of the models that serve */
export function NotServing({ repository, idle, names, isAllowed }) {
  const { error, running, load } = repository;
  // Who may not see the versions sees the models at least.
  const versions = error ? idle.map(({ id, ...rest }) => (/** @type {Version} */ ({ name: id, version: '', ...rest }))) : repository.versions;
  const others = [...new Set(versions.map(({ name }) => name))].filter((name) => !names.includes(name));
  if (!others.length) return null;
  const taskOf = (/** @type {string} */ name) => idle.find(({ id }) => id === name)?.task ?? '';
  return html`
    <section class="stack repository not-serving" aria-label="Models that do not serve">
      <h2 class="label">Not serving</h2>
      <ul class="stack">${others.map((name) => html`
        <li key=${name}>
          <div class="head"><span><span class="name">${name}</span> <span class="caption">${taskOf(name)}</span></span>
            ${isAllowed && !error && html`<button type="button" class="button" disabled=${running !== null} aria-label="Load ${name}" onClick=${() => load(name)}>Load</button>`}</div>
          <${VersionList} versions=${versions.filter((each) => each.name === name)} onLoad=${null} />
        </li>`)}</ul>
      <${Outcome} repository=${repository} names=${others} />
    </section>`;
}

/** @param {{ versions: Version[], onLoad: ((version: string) => void) | null }} props onLoad: loads one version alone */
function VersionList({ versions, onLoad }) {
  return html`
    <ul class="versions">${versions.map(({ version, state, reason }) => html`
      <li key=${version}><span>${version && `Version ${version} `}<span class="state" data-state=${state}>${STATES[state] ?? state}</span>${reason && `: ${reason}`}</span>
        ${onLoad && html`<button type="button" class="button" aria-label="Load version ${version} alone" onClick=${() => onLoad(version)}>Load it alone</button>`}</li>`)}</ul>`;
}

/** What is being done, or what came of it. @param {{ repository: Repository, names: string[] }} props */
function Outcome({ repository: { running, outcome }, names }) {
  const shown = outcome && names.includes(outcome.name) ? outcome : null;
  const doing = running && names.includes(running.name) ? `${running.name} is ${running.action === 'load' ? 'loading' : 'being unloaded'} …` : '';
  return html`
    <p class="waiting" role="status">${doing || (shown && !shown.failed ? shown.text : '')}</p>
    ${!doing && shown?.failed && html`<div class="problem" role="alert"><${ServerMessage} message=${shown.text} /></div>`}`;
}

