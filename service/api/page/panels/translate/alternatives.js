/** Other translations that the search found; one can be chosen, to see where it parted from the translation.
 *
 * @typedef {{ text: string, score: number }} Translation score: mean log-probability of a subword
 */
import { three } from '../../components/numbers.js';
import { html } from '../../vendor/preact.js';

/** @param {{ result: Translation & { alternatives?: Translation[] }, language: string, chosen: Translation | null,
 *     onChoose: (alternative: Translation | null) => void }} props */
export function Alternatives({ result, language, chosen, onChoose }) {
  const { alternatives = [] } = result;
  if (!alternatives.length) return null;
  const isSurer = alternatives.some(({ score }) => score > result.score);
  return html`
    <div><h2 class="label" id="alternatives">Alternatives</h2>
      <ol class="alternatives" aria-labelledby="alternatives">${alternatives.map((each) => html`
        <li key=${each.text}><button type="button" class="button" lang=${language} aria-pressed=${each === chosen}
          onClick=${() => onChoose(each === chosen ? null : each)}>${each.text}</button><span class="caption">${three(each.score)}</span></li>`)}</ol>
      <p class="caption">The mean log-probability of a subword: nearer to 0 is surer. The translation has ${three(result.score)}${
  isSurer ? ': it is the best to the search, which also weighs the length' : ''}. ${chosen
  ? 'The dashed line of “The search as a tree” is the one that you chose.' : 'Choose one: “The search as a tree” shows where it left the translation.'}</p></div>`;
}
