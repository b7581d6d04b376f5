/** A text with colored spans, as displaCy draws them: the label as a small tag after the span, opacity by score.
 *
 * @typedef {{ text: string, start: number, end: number, tag: string, score: number }} Token
 * @typedef {{ text: string, label: string, start: number, end: number, score: number }} Entity
 */
import { html, useMemo } from '../../vendor/preact.js';
import { colorOf } from './categories.js';
import { WordTooltip, useWordTooltip } from './word_tooltip.js';

/** @param {{ text: string, tokens: Token[], entities: Entity[] | undefined, explain: import('./probabilities.js').Explanation | undefined,
 *     labels: string[], chosen: number | null, onChoose: (index: number) => void, name: string }} props
 *     text: as it was sent. name: of the group, for screen readers */
export function MarkedText({ text, tokens, entities, explain, labels, chosen, onChoose, name }) {
  // Offsets are code points.
  const points = useMemo(() => Array.from(text), [text]);
  const words = useMemo(() => wordsOf(tokens), [tokens]);
  const tooltip = useWordTooltip(tokens);
  const drawn = (/** @type {number} */ at) => html`
    <${Word} key=${`w${at}`} at=${at} text=${points.slice(words[at][0].start, words[at][0].end).join('')} tooltipId=${tooltip.place?.word === at ? tooltip.id : undefined}
      isChosen=${words[at].some(({ index }) => index === chosen)} onChoose=${() => onChoose(words[at][0].index)} />`;
  /** @type {any[]} */
  const parts = [];
  let end = 0;
  for (let at = 0; at < words.length; at += 1) {
    const first = words[at][0];
    const entity = entities?.find(({ start, end: last }) => start <= first.start && first.start < last);
    const last = entity?.end ?? first.end;
    if (first.start > end) parts.push(points.slice(end, first.start).join(''));
    const inside = [drawn(at)];
    end = first.end;
    while (at + 1 < words.length && words[at + 1][0].start < last) {
      at += 1;
      inside.push(points.slice(end, words[at][0].start).join(''), drawn(at));
      end = words[at][0].end;
    }
    if (entities && !entity) parts.push(...inside);
    else {
      const tags = words[at].map(({ tag }) => tag);
      parts.push(html`<${Span} key=${`s${at}`} label=${entity?.label ?? tags.join(' + ')} category=${entity?.label ?? tags[0]}
        score=${entity?.score ?? Math.min(...words[at].map(({ score }) => score))} labels=${labels} last=${inside.pop()}>${inside}<//>`);
    }
  }
  parts.push(points.slice(end).join(''));
  return html`
    <div class="with-tooltip" ...${tooltip.listeners}>
      <div class="marked ${entities ? 'by-entity' : 'by-word'}" role="group" aria-label=${name}>${parts}</div>
      ${tooltip.place && words[tooltip.place.word] && html`
        <${WordTooltip} id=${tooltip.id} place=${tooltip.place} tokens=${words[tooltip.place.word]} explain=${explain} labels=${labels} />`}
    </div>`;
}

/** The tokens of each word of the text: several where a contraction is read as several words, such as French `du`.
 * @param {Token[]} tokens @returns {(Token & { index: number })[][]} */
function wordsOf(tokens) {
  /** @type {(Token & { index: number })[][]} */
  const words = [];
  tokens.forEach((token, index) => {
    const before = words.at(-1);
    if (before && token.start < before[0].end) before.push({ ...token, index });
    else words.push([{ ...token, index }]);
  });
  return words;
}

/** @param {{ label: string, category: string, score: number, labels: string[], last: any, children?: any }} props
 *     last: the last word, which the label stays beside where the line ends */
function Span({ label, category, score, labels, last, children }) {
  const color = colorOf(category, labels);
  const style = color ? { '--color': `var(${color})`, '--share': score.toFixed(2) } : {};
  return html`<span class=${color ? 'span' : 'span plain'} style=${style}>${children}<span
    class="last">${last}<small class="tag">${label}</small></span></span>`;
}

/** @param {{ at: number, text: string, tooltipId: string | undefined, isChosen: boolean, onChoose: () => void }} props
 *     at: index of the word. tooltipId: of its tooltip, while that is shown */
function Word({ at, text, tooltipId, isChosen, onChoose }) {
  return html`<button type="button" class="word" data-word=${at} aria-pressed=${isChosen} aria-describedby=${tooltipId} onClick=${onChoose}>${text}</button>`;
}
