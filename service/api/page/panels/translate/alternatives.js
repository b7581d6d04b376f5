/** Other translations that the search found; one can be chosen, to see what its words attended to and where it left the translation.
 *
 * @typedef {import('./attention.js').Sentence} Sentence
 * @typedef {{ text: string, score: number }} Translation score: mean log-probability of a subword
 * @typedef {Translation & { sentence?: Sentence & { index: number } }} Alternative sentence: the one in which it differs, by its
 *     index among those of the translation; missing where the model has no attention
 */
import { percent, three } from '../../components/numbers.js';
import { html } from '../../vendor/preact.js';
import { differenceOf } from './difference.js';

/** @param {{ result: Translation & { alternatives?: Alternative[] }, language: string, chosen: Alternative | null, hasAttention: boolean,
 *     onChoose: (alternative: Alternative | null) => void }} props */
export function Alternatives({ result, language, chosen, hasAttention, onChoose }) {
  const { alternatives = [] } = result;
  if (!alternatives.length) return null;
  const isSurer = alternatives.some(({ score }) => score > result.score);
  return html`
    <div><h2 class="label" id="alternatives">Alternatives</h2>
      <ol class="alternatives" aria-labelledby="alternatives">${alternatives.map((each) => html`
        <li key=${each.text}><button type="button" class="button" lang=${language} aria-pressed=${each === chosen}
          onClick=${() => onChoose(each === chosen ? null : each)}>${differenceOf(each.text, result.text)}</button><span class="caption" title="${percent(Math.exp(each.score))} a subword">${three(each.score)}</span></li>`)}</ol>
      <p class="caption">How sure the network is: the mean logarithm of the probability of a subword, a piece of a word. The translation has ${three(result.score)}, that is ${percent(Math.exp(result.score))} a subword${
  isSurer ? ': it is the best to the search, which also weighs the length' : ''}. ${chosen
  ? `${hasAttention ? '“Why”, below, and the' : 'The'} dashed line of “The search as a tree” ${hasAttention ? 'show' : 'shows'} the one that you chose. Choose it again to return to the translation.`
  : `Choose one: ${hasAttention ? '“Why” shows what its words attended to, “The search as a tree”' : '“The search as a tree” shows'} where it left the translation.`}</p></div>`;
}
