/** Why a token has its tag: the marginals of all tags, its row of the transitions, and what it would be without the CRF.
 *
 * @typedef {{ tags: string[], marginals: number[][], transitions: number[][] | null, without_crf: string[] | null }} Explanation
 * @typedef {import('./marked_text.js').Token} Token
 */
import { Bars } from '../../components/bars.js';
import { Heatmap } from '../../components/heatmap.js';
import { percent, three } from '../../components/numbers.js';
import { html } from '../../vendor/preact.js';
import { colorOf } from './categories.js';

const BEST = 3;
const SHOWN = 8;

/** The best tags of a token, as bars.
 * @param {{ token: Token, index: number, explain: Explanation | undefined, labels: string[] }} props */
export function BestTags({ token, index, explain, labels }) {
  return html`<${Bars} label="Best tags of ${token.text}" bars=${bestOf(token, index, explain).map((bar) => ({ ...bar, color: colorOf(bar.name, labels) ?? '--edge' }))} />`;
}

/** @param {{ tokens: Token[], index: number, explain: Explanation, labels: string[], onChoose: (index: number) => void }} props */
export function Why({ tokens, index, explain, labels, onChoose }) {
  const token = tokens[index];
  const bars = ranked(explain, index);
  const alone = explain.without_crf?.[index];
  const withCrf = explain.tags[argmax(explain.marginals[index])];
  return html`
    <div class="why stack">
      <div class="why-token">
        <section class="stack" aria-label="All tags of ${token.text}">
          <h3>“${token.text}”: the probability of every tag</h3>
          <${Bars} label="Probability of every tag" best=${withCrf}
            bars=${bars.slice(0, SHOWN).map((bar) => ({ ...bar, color: colorOf(bar.name, labels) ?? '--edge' }))} />
          ${explain.tags.some((tag) => tag.startsWith('B-')) && html`<p class="caption">${legend(explain.tags)}</p>`}
          ${bars.length > SHOWN && html`<p class="caption">The other ${bars.length - SHOWN} have
            ${' '}${percent(bars.slice(SHOWN).reduce((sum, { value }) => sum + value, 0))} together.</p>`}
        </section>
        <section class="stack" aria-label="Transitions">
          <h3>What may follow ${token.tag}</h3>
          ${explain.transitions
    ? html`<${Transitions} explain=${explain} index=${index} labels=${labels} />`
    : html`<p>This model has no CRF: it chooses each tag by itself.</p>`}
        </section>
      </div>
      ${alone !== undefined && html`
        <p>${alone === withCrf ? html`Without the CRF it would be <b>${alone}</b> too.`
    : html`Without the CRF it would be <b>${alone}</b>: the tags around it made it <b>${withCrf}</b>.`}</p>`}
      ${explain.without_crf && html`<${SideBySide} tokens=${tokens} explain=${explain} index=${index} onChoose=${onChoose} />`}
    </div>`;
}

/** @type {Record<string, string>} */
const KINDS_OF_NAMES = { PER: 'a person', LOC: 'a place', ORG: 'an organization', MISC: 'another name' };

/** What the tags of names mean. @param {string[]} tags of the scheme BIO */
function legend(tags) {
  const kinds = Object.entries(KINDS_OF_NAMES).filter(([kind]) => tags.includes(`B-${kind}`)).map(([kind, meaning]) => `${kind} is ${meaning}`);
  return ['B- begins a name, I- is inside of it, O is outside of all names.', kinds.length && `${kinds.join(', ')}.`].filter(Boolean).join(' ');
}

/** The row of the transition scores from the token's tag. @param {{ explain: Explanation, index: number, labels: string[] }} props */
function Transitions({ explain, index, labels }) {
  const from = argmax(explain.marginals[index]);
  const row = /** @type {number[][]} */ (explain.transitions)[from];
  const order = row.map((value, tag) => ({ name: explain.tags[tag], value })).sort((a, b) => b.value - a.value);
  const allowed = order.filter(({ value }) => value > -1000);
  const low = Math.min(...allowed.map(({ value }) => value));
  const span = (allowed[0]?.value ?? 0) - low || 1;
  return html`
    <${Bars} label="Transition scores" max=${1} format=${(/** @type {number} */ value) => three(value * span + low)}
      bars=${allowed.slice(0, SHOWN).map(({ name, value }) => ({ name, value: (value - low) / span, color: colorOf(name, labels) ?? '--edge' }))} />
    <p class="caption">Scores that the CRF adds for a tag after this one: higher is likelier. ${allowed.length < order.length
      && `${order.length - allowed.length} tags cannot follow.`}</p>
    <details><summary>The whole matrix</summary>
      <${Heatmap} rows=${explain.tags} columns=${explain.tags} diverging
        values=${/** @type {number[][]} */ (explain.transitions).map((each) => each.map((value) => (value > -1000 ? value : NaN)))}
        label="Transition scores, from the row's tag to the column's" format=${three} />
    </details>`;
}

/** @param {{ tokens: Token[], explain: Explanation, index: number, onChoose: (index: number) => void }} props */
function SideBySide({ tokens, explain, index, onChoose }) {
  const alone = /** @type {string[]} */ (explain.without_crf);
  const tags = explain.marginals.map((row) => explain.tags[argmax(row)]);
  const changed = tags.filter((tag, each) => tag !== alone[each]).length;
  return html`
    <section class="stack" aria-label="With and without the CRF">
      <h3>With and without the CRF</h3>
      <p class="caption">${changed ? `The CRF changes ${changed} of ${tags.length} tags.` : 'The CRF changes no tag of this text.'}</p>
      <div class="table-scroll" tabindex="0" role="region" aria-label="Tags with and without the CRF"><table>
        <thead><tr><th scope="col">token</th>${tokens.map((token, each) => html`
          <th key=${each} scope="col" class=${each === index ? 'chosen' : ''}>
            <button type="button" class="word" onClick=${() => onChoose(each)}>${token.text}</button></th>`)}</tr></thead>
        <tbody>
          <tr><th scope="row">with</th>${tags.map((tag, each) => html`<td key=${each}>${tag}</td>`)}</tr>
          <tr><th scope="row">without</th>${alone.map((tag, each) => html`
            <td key=${each} class=${tag === tags[each] ? '' : 'differs'}>${tag}${tag !== tags[each] && html`<span class="hidden-text">, differs</span>`}</td>`)}</tr>
        </tbody></table></div>
    </section>`;
}

/** @param {Token} token @param {number} index @param {Explanation | undefined} explain without it only the tag is known */
const bestOf = (token, index, explain) => (explain ? ranked(explain, index).slice(0, BEST) : [{ name: token.tag, value: token.score }]);

/** The best tags of a token in words. @param {Token} token @param {number} index @param {Explanation | undefined} explain */
export const bestInWords = (token, index, explain) => (
  `${token.text}: ${bestOf(token, index, explain).map(({ name, value }) => `${name} ${percent(value)}`).join(', ')}`);

/** @param {Explanation} explain @param {number} index */
function ranked(explain, index) {
  return explain.marginals[index].map((value, tag) => ({ name: explain.tags[tag], value })).sort((a, b) => b.value - a.value);
}

/** @param {number[]} values */
const argmax = (values) => values.indexOf(Math.max(...values));
