/** Why a token has its tag: the probability of every tag, what may follow it, and what it would be without the CRF.
 *
 * @typedef {import('./probabilities.js').Explanation} Explanation
 * @typedef {import('./marked_text.js').Token} Token
 */
import { Bars } from '../../components/bars.js';
import { percent } from '../../components/numbers.js';
import { html } from '../../vendor/preact.js';
import { colorOf } from './categories.js';
import { PARTS_OF_SPEECH } from './parts_of_speech.js';
import { bestOf, likelierAlone, ranked } from './probabilities.js';
import { Transitions } from './transitions.js';

const MAX_SHOWN = 8;

/** The best tags of a token, as bars.
 * @param {{ token: Token, index: number, explain: Explanation | undefined, labels: string[] }} props */
export function BestTags({ token, index, explain, labels }) {
  const other = likelierAlone(token, index, explain);
  return html`
    <${Bars} label="Best tags of ${token.text}" best=${token.tag}
      bars=${bestOf(token, index, explain).map((bar) => ({ ...bar, color: colorOf(bar.name, labels) ?? '--edge' }))} />
    ${other !== null && html`<p class="caption">The answer is ${token.tag}, as in the most probable sequence of tags. By itself,
      over all sequences, ${other} is the most probable here.</p>`}`;
}

/** @param {{ tokens: Token[], index: number, explain: Explanation, labels: string[], onChoose: (index: number) => void }} props
 *     labels: of the network */
export function Why({ tokens, index, explain, labels, onChoose }) {
  const token = tokens[index];
  const bars = ranked(explain, index);
  const alone = explain.without_crf?.[index];
  return html`
    <div class="why stack">
      <div class="why-token">
        <section class="stack" aria-label="All tags of ${token.text}">
          <h3>“${token.text}”: the probability of every tag</h3>
          <${Bars} label="Probability of every tag" best=${token.tag}
            bars=${bars.slice(0, MAX_SHOWN).map((bar) => ({ ...bar, color: colorOf(bar.name, labels) ?? '--edge' }))} />
          ${inWords(bars.slice(0, MAX_SHOWN)) && html`<p class="caption">${inWords(bars.slice(0, MAX_SHOWN))}</p>`}
          ${explain.tags.some((tag) => tag.startsWith('B-')) && html`<p class="caption">${legend(explain.tags, labels)}</p>`}
          ${bars.length > MAX_SHOWN && html`<p class="caption">The other ${bars.length - MAX_SHOWN} have
            ${' '}${percent(bars.slice(MAX_SHOWN).reduce((sum, { value }) => sum + value, 0))} together.</p>`}
        </section>
        <section class="stack" aria-label="Transitions">
          <h3>What may follow ${token.tag}</h3>
          ${explain.transitions
    ? html`<${Transitions} tags=${explain.tags} scores=${explain.transitions} from=${token.tag} labels=${labels} />`
    : html`<p>This model has no CRF: it chooses each tag by itself.</p>`}
        </section>
      </div>
      ${alone !== undefined && html`
        <p>${alone === token.tag ? html`Without the CRF it would be <b>${alone}</b> too.`
    : html`Without the CRF it would be <b>${alone}</b>: the tags around it made it <b>${token.tag}</b>.`}</p>`}
      ${explain.without_crf && html`<${SideBySide} tokens=${tokens} alone=${explain.without_crf} index=${index} onChoose=${onChoose} />`}
    </div>`;
}

/** @type {Record<string, string>} */
const KINDS_OF_NAMES = { PER: 'a person', LOC: 'a place', ORG: 'an organization', MISC: 'another name' };

/** What parts of speech among the tags mean; empty: there are none. @param {{ name: string }[]} bars */
const inWords = (bars) => bars.filter(({ name }) => name in PARTS_OF_SPEECH).map(({ name }) => `${name}: ${PARTS_OF_SPEECH[name]}`).join(', ');

/** What the tags of names mean. @param {string[]} tags of the answer, in IOB2 @param {string[]} labels of the network */
function legend(tags, labels) {
  const kinds = Object.entries(KINDS_OF_NAMES).filter(([kind]) => tags.includes(`B-${kind}`)).map(([kind, meaning]) => `${kind} is ${meaning}`);
  const isMerged = labels.some((label) => /^[ES]-/.test(label));
  return [
    'B- begins a name, I- is inside of it, O is outside of all names.',
    kinds.length && `${kinds.join(', ')}.`,
    isMerged && `The network itself has ${labels.length} labels, with E- for the last word of a name and S- for a name of one word. Here
      E- counts as I-, and S- as B-: their probabilities are added, and of their transition scores the highest is shown.`,
  ].filter(Boolean).join(' ');
}

/** @param {{ tokens: Token[], alone: string[], index: number, onChoose: (index: number) => void }} props
 *     alone: the tags without the CRF */
function SideBySide({ tokens, alone, index, onChoose }) {
  const changed = tokens.filter(({ tag }, each) => tag !== alone[each]).length;
  return html`
    <section class="stack" aria-label="With and without the CRF">
      <h3>With and without the CRF</h3>
      <p class="caption">${changed ? `The CRF changes ${changed} of ${tokens.length} tags.` : 'The CRF changes no tag of this text.'}</p>
      <div class="table-scroll" tabindex="0" role="region" aria-label="Tags with and without the CRF"><table>
        <thead><tr><th scope="col">token</th>${tokens.map((token, each) => html`
          <th key=${each} scope="col" class=${each === index ? 'chosen' : ''}>
            <button type="button" class="word" onClick=${() => onChoose(each)}>${token.text}</button></th>`)}</tr></thead>
        <tbody>
          <tr><th scope="row">with</th>${tokens.map(({ tag }, each) => html`<td key=${each}>${tag}</td>`)}</tr>
          <tr><th scope="row">without</th>${alone.map((tag, each) => html`
            <td key=${each} class=${tag === tokens[each].tag ? '' : 'differs'}>${tag}${tag !== tokens[each].tag && html`<span class="hidden-text">, differs</span>`}</td>`)}</tr>
        </tbody></table></div>
    </section>`;
}
