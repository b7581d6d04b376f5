/** A text with colored spans, as displaCy draws them: the label as a small tag after the span, opacity by score.
 *
 * @typedef {{ text: string, start: number, end: number, tag: string, score: number }} Token
 * @typedef {{ text: string, label: string, start: number, end: number, score: number }} Entity
 * @typedef {(Token & { index: number })[]} Word its tokens: several where a contraction is read as several words, such as French `du`
 */
import { html, useCallback, useMemo, useRef } from '../../vendor/preact.js';
import { blocksOf, useNearBlocks } from './blocks.js';
import { colorOf } from './categories.js';
import { PARTS_OF_SPEECH } from './parts_of_speech.js';
import { WordTooltip, useWordTooltip } from './word_tooltip.js';

/** @param {{ text: string, tokens: Token[], entities: Entity[] | undefined, explain: import('./probabilities.js').Explanation | undefined,
 *     labels: string[], chosen: number | null, onChoose: (index: number) => void, name: string }} props
 *     text: as it was sent. name: of the group, for screen readers */
export function MarkedText({ text, tokens, entities, explain, labels, chosen, onChoose, name }) {
  // Offsets are code points.
  const points = useMemo(() => Array.from(text), [text]);
  const words = useMemo(() => wordsOf(tokens), [tokens]);
  const blocks = useMemo(() => blocksOf(words.map(([first]) => first), entities ?? []), [words, entities]);
  const { isNear, observe } = useNearBlocks(blocks);
  const tooltip = useWordTooltip(tokens);
  // The same function for ever: another one would have all blocks drawn again.
  const choose = useRef(onChoose);
  choose.current = onChoose;
  const onWord = useCallback((/** @type {number} */ index) => choose.current(index), []);
  const within = (/** @type {number | null | undefined} */ word, /** @type {import('./blocks.js').Block} */ { first, end }) => (
    word !== null && word !== undefined && word >= first && word < end ? word : null);
  const chosenWord = useMemo(() => (chosen === null ? null : words.findIndex((word) => word.some(({ index }) => index === chosen))), [words, chosen]);
  const endOf = (/** @type {number} */ block) => (block === blocks.length - 1 ? points.length : words[blocks[block].end][0].start);
  return html`
    <div class="with-tooltip" ...${tooltip.listeners}>
      <div ref=${observe} class="marked ${entities ? 'by-entity' : 'by-word'}" role="group" aria-label=${name}>${blocks.length ? blocks.map((block, each) => html`
        <${BlockOfText} key=${each} number=${each} points=${points} words=${words} block=${block} start=${each ? endOf(each - 1) : 0} end=${endOf(each)}
          entities=${entities} labels=${labels} isNear=${isNear(each)} chosen=${within(chosenWord, block)}
          described=${within(tooltip.anchor?.word, block)} tooltipId=${tooltip.id} onWord=${onWord} />`) : text}</div>
      ${tooltip.anchor && words[tooltip.anchor.word] && html`
        <${WordTooltip} id=${tooltip.id} anchor=${tooltip.anchor} tokens=${words[tooltip.anchor.word]} explain=${explain} labels=${labels} />`}
    </div>`;
}

/** @param {{ number: number, points: string[], words: Word[], block: import('./blocks.js').Block, start: number, end: number,
 *     entities: Entity[] | undefined, labels: string[], isNear: boolean, chosen: number | null, described: number | null,
 *     tooltipId: string, onWord: (index: number) => void }} props
 *     start, end: of its text, in code points. isNear: far from the screen it is plain text. chosen: index of the chosen word, if it
 *     is in this block. described: that of the word whose tooltip is shown */
function BlockOfText({ number, points, words, block, start, end, entities, labels, isNear, chosen, described, tooltipId, onWord }) {
  return useMemo(() => {
    const slice = (/** @type {number} */ from, /** @type {number} */ to) => points.slice(from, to).join('');
    if (!isNear) return html`<span data-block=${number}>${slice(start, end)}</span>`;
    const drawn = (/** @type {number} */ at) => html`
      <button key=${`w${at}`} type="button" class="word" data-word=${at} aria-pressed=${at === chosen}
        aria-describedby=${at === described ? tooltipId : undefined} onClick=${() => onWord(words[at][0].index)}>${slice(words[at][0].start, words[at][0].end)}</button>`;
    /** @type {any[]} */
    const parts = [];
    let done = start;
    let next = entities ? entities.findIndex((entity) => entity.end > words[block.first][0].start) : -1;
    for (let at = block.first; at < block.end; at += 1) {
      const first = words[at][0];
      while (entities && next >= 0 && next < entities.length && entities[next].end <= first.start) next += 1;
      const candidate = next >= 0 ? entities?.[next] : undefined;
      const entity = candidate && candidate.start <= first.start ? candidate : undefined;
      const last = entity?.end ?? first.end;
      if (first.start > done) parts.push(slice(done, first.start));
      const inside = [drawn(at)];
      done = first.end;
      while (at + 1 < block.end && words[at + 1][0].start < last) {
        at += 1;
        inside.push(slice(done, words[at][0].start), drawn(at));
        done = words[at][0].end;
      }
      if (entities && !entity) parts.push(...inside);
      else {
        const tags = words[at].map(({ tag }) => tag);
        parts.push(html`<${Span} key=${`s${at}`} label=${entity?.label ?? tags.join(' + ')} category=${entity?.label ?? tags[0]}
          score=${entity?.score ?? Math.min(...words[at].map(({ score }) => score))} labels=${labels} last=${inside.pop()}>${inside}<//>`);
      }
    }
    parts.push(slice(done, end));
    return html`<span data-block=${number}>${parts}</span>`;
  }, [number, points, words, block, start, end, entities, labels, isNear, chosen, described, tooltipId, onWord]);
}

/** The words of the text. @param {Token[]} tokens @returns {Word[]} */
function wordsOf(tokens) {
  /** @type {Word[]} */
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
    class="last">${last}<small class="tag" title=${PARTS_OF_SPEECH[label]}>${label}</small></span></span>`;
}
