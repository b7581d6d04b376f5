/** What each word attended to: two lines of words, and the whole as a heat map.
 *
 * @typedef {{ source_tokens: string[], target_tokens: string[], alignment: number[][] }} Sentence
 */
import { Heatmap } from '../../components/heatmap.js';
import { percent } from '../../components/numbers.js';
import { html, useLayoutEffect, useState } from '../../vendor/preact.js';
import { COPIED, COPIED_SIGN, SIGNS, START, attentionOfWords, readable, wordsOf } from './pieces.js';

/** Sentences whose attention is drawn. */
const MAX_DRAWN = 12;

/** Of each sentence; of a chosen alternative, the sentence in which it differs takes the place of the translation's.
 * @param {{ sentences: Sentence[], alternative: import('./alternatives.js').Alternative | null, source: string, target: string }} props languages */
export function Attentions({ sentences, alternative, source, target }) {
  const other = alternative?.sentence;
  const shown = sentences.map((sentence, index) => ({ sentence: index === other?.index ? other : sentence, index }))
    .filter(({ index }) => index < MAX_DRAWN || index === other?.index);
  return html`
    ${other && html`<p class="caption">${sentences.length > 1 ? `Sentence ${other.index + 1} is that of the alternative that you chose; the others are the translation's.`
    : 'This is the alternative that you chose, not the translation.'}</p>`}
    ${shown.map(({ sentence, index }) => html`
      <${Attention} key=${index} sentence=${sentence} number=${index + 1} source=${source} target=${target} isAlternative=${sentence === other} />`)}
    ${sentences.length > MAX_DRAWN && html`<p class="caption">The first ${MAX_DRAWN} of ${sentences.length} sentences are drawn.</p>`}`;
}

/** @typedef {{ side: 'from' | 'to', index: number }} Position of a word */

/** @param {{ sentence: Sentence, number: number, source: string, target: string, isAlternative: boolean }} props languages */
function Attention({ sentence, number, source, target, isAlternative }) {
  const from = wordsOf(sentence.source_tokens);
  const to = wordsOf(sentence.target_tokens);
  const weights = attentionOfWords(sentence.alignment, from, to);
  const [chosen, setChosen] = useState(/** @type {Position | null} */ (null));
  const [pointed, setPointed] = useState(/** @type {Position | null} */ (null));
  // The word may not be there any more.
  useLayoutEffect(() => {
    setChosen(null);
    setPointed(null);
  }, [sentence]);
  const at = pointed ?? chosen;
  const isChosen = (/** @type {Position} */ { side, index }) => chosen?.side === side && chosen.index === index;
  const choose = (/** @type {Position} */ position) => {
    setChosen(isChosen(position) ? null : position);
    setPointed(null);
  };
  // A tap also sends the events of a pointer that comes and goes: only its click counts.
  const hover = (/** @type {PointerEvent} */ event, /** @type {Position | null} */ position) => {
    if (event.pointerType !== 'touch') setPointed(position);
  };
  // A click focuses the word too: only the focus of the keyboard points.
  const focus = (/** @type {any} */ event, /** @type {Position} */ position) => {
    if (event.currentTarget.matches(':focus-visible')) setPointed(position);
  };
  // A word of the target shares its attention out; to a word of the source all target words may attend.
  const shareOf = (/** @type {'from' | 'to'} */ side, /** @type {number} */ index) => {
    if (!at || at.side === side) return at?.index === index ? 1 : 0;
    return at.side === 'to' ? weights[at.index][index] : weights[index][at.index];
  };
  const line = (/** @type {'from' | 'to'} */ side, /** @type {import('./pieces.js').Word[]} */ words, /** @type {string} */ language,
    /** @type {string[]} */ pieces) => html`
    <div class="line" lang=${language} role="group" aria-label="${side === 'from' ? 'Source' : isAlternative ? 'Alternative' : 'Translation'}, sentence ${number}">
      ${words.map((word, index) => html`
        <button key=${index} type="button" aria-label=${word.text} class=${word.text.includes(COPIED_SIGN) ? 'chip copied' : 'chip'} aria-pressed=${isChosen({ side, index })}
          style=${{ '--share': shareOf(side, index).toFixed(3) }} onPointerEnter=${(/** @type {PointerEvent} */ event) => hover(event, { side, index })}
          onFocus=${(/** @type {FocusEvent} */ event) => focus(event, { side, index })} onBlur=${() => setPointed(null)} onClick=${() => choose({ side, index })}>
          ${word.pieces.filter((piece) => pieces[piece] !== START).map((piece) => html`<span key=${piece} class="subword">${readable(pieces[piece])}</span>`)}</button>`)}
    </div>`;
  return html`
    <section class="attention" aria-label="Sentence ${number}" onPointerLeave=${(/** @type {PointerEvent} */ event) => hover(event, null)}>
      ${line('from', from, source, sentence.source_tokens)}
      ${line('to', to, target, sentence.target_tokens)}
      <p class="caption" role="status">${at ? sentenceOf(at, from, to, weights) : `Point at a word, above or below, or choose it (tap on a phone) for its light to stay: the words that it attended to, or that attended to it, light up. A thin line parts subwords, the pieces of words that the network reads.${
    sentence.source_tokens.includes(COPIED) ? ` ${COPIED_SIGN} is what the network does not see, such as a name or a number: it is copied.` : ''}`}</p>
      <p class="caption">As a table: each line is a subword of the ${isAlternative ? 'alternative' : 'translation'}, light where it attended to the source above. ${SIGNS}</p>
      <${Heatmap} rows=${sentence.target_tokens.map(readable)} columns=${sentence.source_tokens.map(readable)} values=${sentence.alignment}
        label="Attention of the ${isAlternative ? 'alternative' : 'translation'}'s subwords (rows) to those of the source (columns), sentence ${number}" format=${percent} />
    </section>`;
}

/** @param {{ side: 'from' | 'to', index: number }} at @param {import('./pieces.js').Word[]} from
 * @param {import('./pieces.js').Word[]} to @param {number[][]} weights */
function sentenceOf(at, from, to, weights) {
  const others = at.side === 'to' ? weights[at.index].map((value, index) => ({ text: quoted(from, index), value }))
    : weights.map((row, index) => ({ text: quoted(to, index), value: row[at.index] }));
  const best = others.sort((a, b) => b.value - a.value).slice(0, 3).filter(({ value }) => value >= 0.01);
  const word = quoted(at.side === 'to' ? to : from, at.index);
  const list = best.map(({ text, value }, index) => `${text} (${percent(value)}${at.side === 'from' && !index ? ' of its attention' : ''})`).join(', ');
  if (!best.length) return `${word} ${at.side === 'to' ? 'attended to' : 'was attended to by'} none of the words.`;
  return at.side === 'to' ? `${word} attended to ${list}.`
    : `${word} was attended to by ${list}. Each word of the translation has 100 % of its own to share out.`;
}

/** A word, with its position where the sentence has it more than once.
 * @param {import('./pieces.js').Word[]} words @param {number} index */
function quoted(words, index) {
  const { text } = words[index];
  return words.filter((other) => other.text === text).length > 1 ? `“${text}” (word ${index + 1})` : `“${text}”`;
}
