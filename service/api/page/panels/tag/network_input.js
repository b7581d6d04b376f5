/** Sentences and tokens, as the network gets them. */
import { percent } from '../../components/numbers.js';
import { html, useMemo } from '../../vendor/preact.js';
import { probabilityOf } from './probabilities.js';

/** Sentences that are drawn. */
const MAX_DRAWN = 200;

/** @param {{ result: any, model: import('../../server/types.js').Model, leastSure: number }} props
 *     leastSure: index of the token that the model is least sure of */
export function NetworkInput({ result, model, leastSure }) {
  const sentences = useMemo(() => sentencesOf(result), [result]);
  const token = result.tokens[leastSure];
  return html`
    <div class="stack">
      <p class="caption">${result.sentences.length} ${result.sentences.length === 1 ? 'sentence' : 'sentences'}, ${result.tokens.length} tokens. The
        network reads one sentence at a time; of each token it sees the word and its characters.${model.details.words
          && ` It knows ${model.details.words.toLocaleString('en')} words; of others it sees the characters alone.`}</p>
      <ol class="sentences">${sentences.map((tokens, each) => html`
        <li key=${each}>${tokens.map((text, index) => html`<span key=${index} class="piece">${text}</span>`)}</li>`)}</ol>
      ${result.sentences.length > MAX_DRAWN && html`<p class="caption">The first ${MAX_DRAWN} of ${result.sentences.length} sentences are drawn.</p>`}
      ${result.multiword?.length > 0 && html`<p class="caption">Read as several words: ${result.multiword.map(
    (/** @type {any} */ { text, tokens }) => `${text} = ${tokens.map((/** @type {number} */ each) => result.tokens[each].text).join(' + ')}`).join(', ')}.</p>`}
      ${token && html`<p class="caption">It is least sure of “${token.text}”: ${token.tag} has ${percent(probabilityOf(token, leastSure, result.explain))}.</p>`}
    </div>`;
}

/** The texts of the tokens, by sentence. @param {any} result @returns {string[][]} */
function sentencesOf(result) {
  let at = 0;
  return result.sentences.slice(0, MAX_DRAWN).map((/** @type {any} */ { end }) => {
    const texts = [];
    for (; at < result.tokens.length && result.tokens[at].end <= end; at += 1) texts.push(result.tokens[at].text);
    return texts;
  });
}
