/** Teach: the answers that were corrected, as files to train on. */
import { loadStyles } from '../../components/styles.js';
import { useObjectUrl } from '../../components/use_object_url.js';
import { downloadOf } from '../../corrections/downloads.js';
import { messageOf, readCorrections, remove, removeAll } from '../../corrections/store.js';
import { html, useCallback, useEffect, useMemo, useState } from '../../vendor/preact.js';

await loadStyles(new URL('teach.css', import.meta.url).href);

/** @typedef {import('../../corrections/store.js').Correction} Correction */

/** Corrections of a model that are listed one by one. */
const MAX_LISTED = 50;

/** @param {import('../../panels.js').PanelProps} props */
export function Panel({ allowsModelControl }) {
  const [corrections, setCorrections] = useState(/** @type {Correction[] | null} */ (null));
  const [problem, setProblem] = useState('');
  const read = useCallback(() => readCorrections().then((all) => { setCorrections(all); setProblem(''); },
    (error) => { setCorrections([]); setProblem(messageOf(error)); }), []);
  useEffect(() => void read(), [read]);
  const change = (/** @type {Promise<any>} */ work) => work.then(read, (error) => setProblem(messageOf(error)));
  if (!corrections) return null;
  const models = [...new Set(corrections.map(({ model }) => model))].sort();
  return html`
    <div class="teach stack">
      <p>A wrong answer? Under each answer of <a href="#/draw">Draw</a>, <a href="#/tag">Tag</a> and
        ${' '}<a href="#/translate">Translate</a>, “Wrong?” lets you say what is right. It is saved in this browser alone and sent
        nowhere; download it here, and train on it.</p>
      ${problem && html`<p class="notice" role="alert">${problem}</p>`}
      ${!problem && !models.length && html`<p class="card empty">Nothing is saved yet.</p>`}
      ${models.map((model) => html`<${ModelCorrections} key=${model} model=${model} corrections=${corrections.filter((each) => each.model === model)} allowsModelControl=${allowsModelControl}
        onRemove=${(/** @type {string} */ key) => change(remove(key))} onRemoveAll=${() => change(removeAll(model))} />`)}
    </div>`;
}

/** @param {{ model: string, corrections: Correction[], allowsModelControl: boolean, onRemove: (key: string) => void,
 *     onRemoveAll: () => void }} props */
function ModelCorrections({ model, corrections, allowsModelControl, onRemove, onRemoveAll }) {
  const download = useMemo(() => downloadOf(model, corrections), [model, corrections]);
  const address = useObjectUrl(download.content);
  const [isAsking, setAsking] = useState(false);
  return html`
    <section class="card stack" aria-label=${model}>
      <h2>${model}</h2>
      <p>${corrections.length.toLocaleString('en')} ${corrections.length === 1 ? 'answer' : 'answers'}${countsOf(corrections)}</p>
      <div class="buttons">
        <a class="button main" href=${address || undefined} download=${download.name}>Download ${download.name}</a>
        ${isAsking ? html`<span class="caption">Delete all of ${model}?</span>
          <button type="button" class="button" onClick=${onRemoveAll}>Delete</button>
          <button type="button" class="button" onClick=${() => setAsking(false)}>Cancel</button>`
    : html`<button type="button" class="button" onClick=${() => setAsking(true)}>Delete all</button>`}
      </div>
      <div><p class="label">To train on it, move the download into the folder of Lectern's sources and run there:</p>
        <pre class="code" tabindex="0" aria-label="Commands"><code>${download.steps.join('\n')}</code></pre>
        <p class="caption">Where only the package is installed, with its extra <code>train</code>, write
          ${' '}<code>lectern-train ${download.family} train …</code> for <code>make train-${download.family} ARGS="…"</code>.</p></div>
      <p>The training writes a new model, the folder <code>models/${download.model}</code>. To have it here, copy that folder into the model
        repository of this server, unless <code>models</code> is that already; then
        ${allowsModelControl ? html` <a href="#/models">Models</a> lists it under “Not serving”: load it there.` : ' the server has to be started again, by whoever runs it.'}
        ${' '}It serves beside ${model}, and is chosen at the top.</p>
      ${download.missing && html`<p class="caption">${download.missing}</p>`}
      <p class="caption">${ADVICE[corrections[0].task] ?? ''}</p>
      <details><summary>One by one</summary><ul class="corrections">${corrections.slice(0, MAX_LISTED).map((each) => html`
        <li key=${each.key}><${Content} content=${each.content} />
          <button type="button" class="button" onClick=${() => onRemove(each.key)}>Delete</button></li>`)}</ul>
        ${corrections.length > MAX_LISTED && html`<p class="caption">The first ${MAX_LISTED} are listed.</p>`}</details>
    </section>`;
}

/** A model of these alone knows little else. @type {Record<string, string>} */
const ADVICE = {
  'image-classification': 'A model of a few pictures reads little else: put them into the folders of what the model was trained on, or add --init RUN to go on from a run of the same labels.',
  'token-classification': 'A model of a few sentences knows little else: append them to a copy of the file that the model was trained on, and name the copy with --train. That file is the one that its training named; a published set is in ~/.cache/lectern on the computer that trained it.',
  translation: 'A model of a few pairs knows little else: to add them to a corpus, name it with --train or --data, and this file with --extra.',
};

/** To which labels, and how often. @param {Correction[]} corrections */
function countsOf(corrections) {
  /** @type {Map<string, number>} */
  const counts = new Map();
  for (const { content } of corrections) if ('label' in content) counts.set(content.label, (counts.get(content.label) ?? 0) + 1);
  if (!counts.size) return '';
  if (corrections.length === 1) return ` corrected to “${[...counts.keys()][0]}”`;
  return ` corrected to ${[...counts].sort(([a], [b]) => a.localeCompare(b, 'en', { numeric: true })).map(([label, count]) => `“${label}” ${timesOf(count)}`).join(', ')}`;
}

/** @param {number} count */
const timesOf = (count) => (count === 1 ? 'once' : count === 2 ? 'twice' : `${count} times`);

/** @param {{ content: Correction['content'] }} props */
function Content({ content }) {
  if ('picture' in content) return html`<${Picture} content=${content} />`;
  if ('translation' in content) return html`<span><span lang=${content.source}>${content.text}</span> → <span lang=${content.target}>${content.translation}</span></span>`;
  return html`<span>${content.tokens.map(({ text, tag }, at) => html`${at ? ' ' : ''}${text}${tag !== 'O' && html`<small class="tag">${tag}</small>`}`)}</span>`;
}

/** @param {{ content: import('../../corrections/store.js').Labeled }} props */
function Picture({ content }) {
  const address = useObjectUrl(useMemo(() => new Blob([content.picture], { type: content.type }), [content]));
  return html`<span class="labeled">${address && html`<img src=${address} alt="" />`} ${content.label}</span>`;
}
