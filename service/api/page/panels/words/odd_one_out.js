/** Which of several words does not belong to the others. */
import { Bars } from '../../components/bars.js';
import { three } from '../../components/numbers.js';
import { Problem } from '../../components/problem.js';
import { useAnswer } from '../../server/use_answer.js';
import { html } from '../../vendor/preact.js';
import { ComposedLegend, Word } from './composed.js';

const TYPING_MS = 250;
/** Of two words neither is the odd one. */
const MIN_WORDS = 3;

/** @param {import('../../server/types.js').Model} model @param {string[]} words at least three */
export const oddOneOutCall = (model, words) => ({ path: 'v1/odd-one-out', body: { model: model.id, version: model.version, words } });

/** @param {{ server: import('../../server/client.js').Server, model: import('../../server/types.js').Model, words: string[] }} props */
export function OddOneOut({ server, model, words }) {
  const state = useAnswer(server, oddOneOutCall(model, words), { delay: TYPING_MS });
  const result = state.answer?.data.results[0];
  const sent = /** @type {any} */ (state.answer?.call.body)?.words ?? [];
  /** @type {string[]} */
  const composed = result?.composed ?? [];
  const marked = (/** @type {string} */ word) => html`<${Word} word=${word} isComposed=${composed.includes(word)} />`;
  const scores = result?.scores?.map((/** @type {number | null} */ value, /** @type {number} */ index) => ({ name: sent[index], value, shown: marked(sent[index]) }))
    .filter((/** @type {any} */ each) => each.value !== null) ?? [];
  // As it was written: the answer has it as it was looked up, perhaps in lower case.
  const odd = result?.word && scores.reduce((/** @type {any} */ least, /** @type {any} */ each) => (each.value < least.value ? each : least)).name;
  return html`
    <div class="stack">
      <${Problem} state=${state} />
      ${result && html`
        <div class="best"><h2 class="label">The odd one out</h2>${odd && html`<p>${marked(odd)}</p>`}</div>
        ${result.word === null && html`<p class="none">${scores.length < MIN_WORDS
    ? `Fewer than ${MIN_WORDS} of these words are known: write more that are.`
    : 'These words have no middle that one of them could be far from: their vectors cancel each other out. Try other words.'}</p>`}
        ${result.unknown && html`<p class="caption">Left out, as ${model.id} does not know ${result.unknown.length > 1 ? 'them' : 'it'}: ${result.unknown.join(', ')}.</p>`}
        ${scores.length > 0 && html`
          <${Bars} label="How well each word fits the others, by cosine" bars=${scores} format=${three} best=${odd} />
          <${ComposedLegend} model=${model} words=${composed} />
          <p class="caption">How alike each word is to the mean of all of them, by the cosine (1 is the same direction): the lowest is the odd one out.</p>`}`}
    </div>`;
}
