/** The map of chosen words: by principal components (the server's) or t-SNE (here), in two or three dimensions.
 *
 * @typedef {import('../../server/types.js').Call} Call
 */
import { percent } from '../../components/numbers.js';
import { Problem } from '../../components/problem.js';
import { useAnswer } from '../../server/use_answer.js';
import { html, useMemo } from '../../vendor/preact.js';
import { ComposedLegend, Word } from './composed.js';
import { WordMap } from './map.js';
import { listed, replaced } from './parse.js';
import { save, vectorsTsv, wordsTsv } from './tsv.js';
import { UnknownWords } from './unknown_words.js';
import { MAX_WORDS, MIN_WORDS, useTsne } from './use_tsne.js';
import { composedOf, vectorsCall, vectorsOf } from './vectors.js';

const TYPING_MS = 300;
const AROUND = [10, 30, 100, 300, 900];

/** How many of the nearest words the map shows. @param {URLSearchParams} query */
export const aroundOf = (query) => AROUND.find((each) => String(each) === query.get('around')) ?? 30;

/** The call that the map is drawn from; null: it has too few words.
 * @param {import('../../server/types.js').Model} model @param {URLSearchParams} query
 * @param {string[]} asked the words of the question, in the vocabulary @param {string[]} nearest to their sum */
export function mapCall(model, query, asked, nearest) {
  const words = wordsOf(query, asked, nearest);
  if (words.length < 2) return null;
  return isTsne(query) ? vectorsCall(model, words)
    : { path: 'v1/projection', body: { model: model.id, version: model.version, words, dimensions: dimensionsOf(query) } };
}

/** @param {URLSearchParams} query @param {string[]} asked @param {string[]} nearest */
const wordsOf = (query, asked, nearest) => [...new Set([...listed(query.get('words') ?? ''), ...asked, ...nearest])].slice(0, MAX_WORDS);
/** @param {URLSearchParams} query */
const dimensionsOf = (query) => (query.get('dimensions') === '2' ? 2 : 3);
/** @param {URLSearchParams} query */
const isTsne = (query) => query.get('map') === 'tsne';

/** @param {import('../../panels.js').PanelProps & { asked: string[], nearest: string[], best: string | null, onChoose: (word: string) => void }} props
 *     asked: the words of the question, in the vocabulary. nearest: to their sum. best: the answer to the question, if it has one */
export function MapCard({ server, model, query, setQuery, asked, nearest, best, onChoose }) {
  const dimensions = dimensionsOf(query);
  const method = isTsne(query) ? 'tsne' : 'pca';
  const around = aroundOf(query);
  const own = listed(query.get('words') ?? '');

  const words = wordsOf(query, asked, nearest);
  const call = mapCall(model, query, asked, nearest);
  const options = { delay: own.length ? TYPING_MS : 0 };
  const projection = useAnswer(server, method === 'pca' ? call : null, options);
  const embedding = useAnswer(server, method === 'tsne' ? call : null, options);
  const vectors = useMemo(() => (embedding.answer ? vectorsOf(embedding.answer) : null), [embedding.answer]);
  const known = vectors ? [...vectors.keys()] : [];
  const tsne = useTsne(vectors && method === 'tsne' ? [...vectors.values()] : null, dimensions, known.join(' '));

  const chosen = new Set([...own, ...asked]);
  const projected = projection.answer?.data.results;
  const drawn = method === 'pca' ? (/** @type {any} */ (projection.answer?.call.body)?.dimensions ?? dimensions) : dimensions;
  /** @type {import('./map.js').Point[]} */
  const points = useMemo(() => {
    if (method === 'tsne') {
      const at = tsne.points;
      const composed = embedding.answer ? composedOf(embedding.answer) : new Set();
      return at ? known.map((word, index) => ({ word, at: [...at.slice(index * dimensions, (index + 1) * dimensions)], isAsked: chosen.has(word), isAnswer: word === best, isComposed: composed.has(word) })) : [];
    }
    return (projected ?? []).filter((/** @type {any} */ each) => Number.isFinite(each.x)).map((/** @type {any} */ each) => ({
      word: each.word, at: [each.x, each.y, ...(drawn === 3 ? [each.z ?? 0] : [])], isAsked: chosen.has(each.word), isAnswer: each.word === best, isComposed: Boolean(each.composed),
    }));
  }, [method, tsne.points, projected, [...chosen].join(' '), best]);
  const unknown = method === 'pca' ? (projected ?? []).filter((/** @type {any} */ each) => !Number.isFinite(each.x)).map((/** @type {any} */ each) => each.word)
    : vectors ? words.filter((word) => !vectors.has(word)) : [];
  const explained = projection.answer?.data.explained_variance?.reduce((/** @type {number} */ a, /** @type {number} */ b) => a + b, 0);

  const download = async (/** @type {string} */ name) => {
    const all = vectorsOf(await server.send(vectorsCall(model, words)));
    save(name, name.startsWith('vectors') ? vectorsTsv(all) : wordsTsv(all));
  };
  const option = (/** @type {string} */ name, /** @type {string} */ value, /** @type {string} */ label, /** @type {boolean} */ isOn) => html`
    <button type="button" class="button" aria-pressed=${isOn} onClick=${() => setQuery({ [name]: value })}>${label}</button>`;

  return html`
    <section class="card wide stack" aria-label="Map">
      <div class="map-head">
        <h2>Map</h2>
        <div class="buttons" role="group" aria-label="Dimensions">${option('dimensions', '2', '2-D', dimensions === 2)}${option('dimensions', '3', '3-D', dimensions === 3)}</div>
        <div class="buttons" role="group" aria-label="Method">${option('map', 'pca', 'PCA', method === 'pca')}${option('map', 'tsne', 't-SNE', method === 'tsne')}</div>
        <label class="buttons"><span class="caption">Nearest words</span>
          <select class="select" onChange=${(/** @type {any} */ event) => setQuery({ around: event.target.value })}>
            ${AROUND.map((each) => html`<option key=${each} value=${each} selected=${each === around}>${each}</option>`)}</select></label>
        <label class="own"><span class="hidden-text">Words of your own on the map</span>
          <input placeholder="more words, such as oslo, rome" value=${query.get('words') ?? ''} spellcheck=${false} autocapitalize="off"
            onInput=${(/** @type {any} */ event) => setQuery({ words: event.target.value || null })} /></label>
      </div>
      <${Problem} state=${method === 'pca' ? projection : embedding} />
      <${UnknownWords} server=${server} model=${model} words=${unknown} onReplace=${(/** @type {string} */ word, /** @type {string} */ other) => (
    setQuery({ words: replaced(query.get('words') ?? '', word, other) }, { push: true }))} />
      <div class="map-area">
        ${points.length > 0 && html`<${WordMap} points=${points} dimensions=${drawn} onChoose=${onChoose}
          label="Map of ${points.length} words in ${drawn} dimensions" />`}
        ${!points.length && method === 'tsne' && vectors && vectors.size < MIN_WORDS && html`<p class="caption">t-SNE needs ${MIN_WORDS} words.</p>`}
        ${!call && html`<p class="caption">A map needs two words that ${model.id} knows: write some above.</p>`}
      </div>
      <p class="caption map-status" role="status">${points.length > 0 && html`${method === 'pca'
    ? `${points.length} words, their vectors of ${model.details.dimensions} numbers drawn in ${drawn} (PCA)${explained === undefined ? '' : `: the directions in which they differ most, which keep ${percent(explained)} of how they differ`}.`
    : `${points.length} words by t-SNE: near words stay near, distances between groups say little.${tsne.share < 1 ? ` ${Math.round(tsne.share * 100)} % done.` : ''}`}
        ${drawn === 3 && ' Drag to turn it.'} Click a word to search for it.`}</p>
      <${ComposedLegend} model=${model} words=${points.filter(({ isComposed }) => isComposed).map(({ word }) => word)} />
      <div class="buttons"><span class="caption">For the Embedding Projector</span>
        <button type="button" class="button" disabled=${!words.length} onClick=${() => download('vectors.tsv')}>vectors.tsv</button>
        <button type="button" class="button" disabled=${!words.length} onClick=${() => download('metadata.tsv')}>metadata.tsv</button></div>
      <details><summary class="caption">The map as a table</summary>
        <div class="table-scroll" tabindex="0" role="region" aria-label="Coordinates"><table>
          <thead><tr><th scope="col">word</th>${['x', 'y', 'z'].slice(0, drawn).map((axis) => html`<th key=${axis} scope="col" class="number">${axis}</th>`)}</tr></thead>
          <tbody>${points.slice(0, 100).map(({ word, at, isComposed }) => html`<tr key=${word}><th scope="row"><${Word} word=${word} isComposed=${isComposed} /></th>${at.map((value, axis) => html`
            <td key=${axis} class="number">${value.toFixed(3)}</td>`)}</tr>`)}</tbody></table></div>
      </details>
    </section>`;
}
