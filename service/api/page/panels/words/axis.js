/** An axis between two words, with other words on it. */
import { three } from '../../components/numbers.js';
import { Problem } from '../../components/problem.js';
import { useAnswer } from '../../server/use_answer.js';
import { html } from '../../vendor/preact.js';
import { listed } from './parse.js';
import { dot, plus, unit, vectorsCall, vectorsOf } from './vectors.js';

const TYPING_MS = 300;
const EXAMPLE = { from: 'he', to: 'she', on: 'nurse, doctor, engineer, teacher, king, queen, carpenter, dancer' };

/** @param {URLSearchParams} query */
const wordsOf = (query) => ({
  from: query.get('from') ?? EXAMPLE.from, to: query.get('to') ?? EXAMPLE.to, on: query.get('on') ?? EXAMPLE.on,
});

/** The vectors that the axis is drawn from; null: it lacks an end, or words.
 * @param {import('../../server/types.js').Model} model @param {URLSearchParams} query */
export function axisCall(model, query) {
  const { from, to, on } = wordsOf(query);
  const words = [...new Set([from.trim(), to.trim(), ...listed(on)])].filter(Boolean);
  return from.trim() && to.trim() && words.length > 2
    ? vectorsCall(model, words) : null;
}

/** @param {import('../../panels.js').PanelProps} props */
export function Axis({ server, model, query, setQuery }) {
  const { from, to, on } = wordsOf(query);
  const state = useAnswer(server, axisCall(model, query), { delay: TYPING_MS });
  const sent = /** @type {any} */ (state.answer?.call.body)?.input;
  const vectors = state.answer && vectorsOf(state.answer);
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
      ${unknown.length > 0 && html`<p class="problem" role="alert">Not in the vocabulary of ${model.id}: ${unknown.join(', ')}.</p>`}
      ${rows.length > 0 && html`
        <table class="axis" aria-label="Words between ${from} and ${to}">
          <thead><tr><th scope="col">word</th><td class="ends"><span>${from}</span><span>${to}</span></td><th scope="col" class="number">place</th></tr></thead>
          <tbody>${rows.map(({ word, value }) => html`
            <tr key=${word}><th scope="row">${word}</th>
              <td class="line"><span class="middle"></span><span class="point" style=${{ left: `${50 + (value / reach) * 50}%` }}></span></td>
              <td class="number">${three(value)}</td></tr>`)}</tbody>
        </table>
        <p class="caption">The cosine of each word with the direction from ${from} to ${to}. It shows how the words are used in the
          texts that the vectors were trained on, prejudices included.</p>`}
    </div>`;
}
