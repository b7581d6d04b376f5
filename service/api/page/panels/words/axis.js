/** An axis between two words, with other words on it. */
import { three } from '../../components/numbers.js';
import { Problem } from '../../components/problem.js';
import { useAnswer } from '../../server/use_answer.js';
import { html } from '../../vendor/preact.js';
import { ComposedLegend, Word } from './composed.js';
import { listed, replaced } from './parse.js';
import { UnknownWords } from './unknown_words.js';
import { composedOf, dot, plus, unit, vectorsCall, vectorsOf } from './vectors.js';

const TYPING_MS = 300;
const EXAMPLE = { from: 'he', to: 'she', on: 'nurse, doctor, engineer, teacher, king, queen, carpenter, dancer' };

/** @param {URLSearchParams} query */
const wordsOf = (query) => ({
  from: query.get('from') ?? EXAMPLE.from, to: query.get('to') ?? EXAMPLE.to, on: query.get('on') ?? EXAMPLE.on,
});

/** What the axis lacks, in words for a person; empty: nothing. @param {URLSearchParams} query */
function lackOf(query) {
  const { from, to, on } = wordsOf(query);
  if (!from.trim() || !to.trim()) return 'An axis needs a word at both ends.';
  if (from.trim() === to.trim()) return 'An axis needs two different words at its ends.';
  return listed(on).some((word) => word !== from.trim() && word !== to.trim()) ? '' : 'Write words that are to be placed on the axis.';
}

/** The vectors that the axis is drawn from; null: it lacks an end, or words.
 * @param {import('../../server/types.js').Model} model @param {URLSearchParams} query */
export function axisCall(model, query) {
  const { from, to, on } = wordsOf(query);
  return lackOf(query) ? null : vectorsCall(model, [...new Set([from.trim(), to.trim(), ...listed(on)])]);
}

/** @param {import('../../panels.js').PanelProps} props */
export function Axis({ server, model, query, setQuery }) {
  const { from, to, on } = wordsOf(query);
  const state = useAnswer(server, axisCall(model, query), { delay: TYPING_MS });
  const sent = /** @type {any} */ (state.answer?.call.body)?.input;
  const vectors = state.answer && vectorsOf(state.answer);
  const composed = state.answer ? composedOf(state.answer) : new Set();
  const [a, b] = [vectors?.get(sent[0]), vectors?.get(sent[1])];
  const axis = a && b && unit(plus(b, a, -1));
  const rows = axis && vectors ? [...vectors].slice(2).map(([word, vector]) => ({ word, value: dot(vector, axis) })).sort((x, y) => x.value - y.value) : [];
  const reach = axis ? Math.max(dot(/** @type {Float32Array} */ (b), axis), -dot(/** @type {Float32Array} */ (a), axis), ...rows.map(({ value }) => Math.abs(value))) : 1;
  const unknown = vectors ? sent.filter((/** @type {string} */ word) => !vectors.has(word)) : [];
  const field = (/** @type {string} */ name, /** @type {string} */ label, /** @type {string} */ value) => html`
    <label class="field"><span class="label">${label}</span>
      <input value=${value} spellcheck=${false} autocapitalize="off" onInput=${(/** @type {any} */ event) => setQuery({ [name]: event.target.value })} /></label>`;
  return html`
    <div class="stack">
      <div class="axis-fields">${field('from', 'From', from)}${field('to', 'To', to)}${field('on', 'Words on it', on)}</div>
      <${Problem} state=${state} />
      ${lackOf(query) && html`<p class="caption">${lackOf(query)}</p>`}
      <${UnknownWords} server=${server} model=${model} words=${unknown} onReplace=${(/** @type {string} */ word, /** @type {string} */ other) => setQuery({
    from: replaced(from, word, other), to: replaced(to, word, other), on: replaced(on, word, other),
  }, { push: true })} />
      ${vectors && !axis && html`<p class="caption">There is no axis while one of its ends is unknown.</p>`}
      ${rows.length > 0 && html`
        <table class="axis" aria-label="Words between ${from} and ${to}">
          <thead><tr><th scope="col">word</th><td class="ends">${[sent[0], sent[1]].map((end) => html`<span key=${end}><${Word} word=${end} isComposed=${composed.has(end)} /></span>`)}</td><th scope="col" class="number">cosine</th></tr></thead>
          <tbody>${rows.map(({ word, value }) => html`
            <tr key=${word}><th scope="row"><${Word} word=${word} isComposed=${composed.has(word)} /></th>
              <td class="line"><span class="middle"></span><span class="point" style=${{ left: `${50 + (value / reach) * 50}%` }}></span></td>
              <td class="number">${three(value)}</td></tr>`)}</tbody>
        </table>
        <${ComposedLegend} model=${model} words=${[...composed]} />
        <p class="caption">The cosine of each word with the direction from ${from} to ${to}: 0 is neither, above 0 nearer to ${to}, below nearer to ${from}. It shows how the words are used in the
          texts that the vectors were trained on, prejudices included.</p>`}
    </div>`;
}
