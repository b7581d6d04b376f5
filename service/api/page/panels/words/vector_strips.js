/** The vectors themselves, a strip each: what a model of word vectors knows of a word is this and nothing else. */
import { html, useEffect, useRef } from '../../vendor/preact.js';
import { ComposedLegend, Word } from './composed.js';

/** @param {{ vectors: Map<string, Float32Array>, composed: Set<string>, asked: string[], model: import('../../server/types.js').Model }} props
 *     composed: the words whose vectors are composed of their n-grams */
export function VectorStrips({ vectors, composed, asked, model }) {
  const normaliser = model.details.normaliser;
  return html`
    <div class="stack">
      <p class="caption">${normaliser === 'lower' ? 'Words are looked up in lower case. ' : ''}Each strip is the vector of a word: blue below zero,
        orange above, one column a number, the most telling first. Words that are used alike have like strips.</p>
      ${!vectors.size && html`<p class="caption">There is no vector to show: the model knows none of the words, or no word is asked for.</p>`}
      ${[...vectors].map(([word, vector]) => html`<${Strip} key=${word} word=${word} vector=${vector} isAsked=${asked.includes(word)} isComposed=${composed.has(word)} />`)}
      <${ComposedLegend} model=${model} words=${[...composed]} />
    </div>`;
}

/** @param {{ word: string, vector: Float32Array, isAsked: boolean, isComposed: boolean }} props */
function Strip({ word, vector, isAsked, isComposed }) {
  const canvas = useRef(/** @type {HTMLCanvasElement | null} */ (null));
  useEffect(() => {
    const element = /** @type {HTMLCanvasElement} */ (canvas.current);
    const context = /** @type {CanvasRenderingContext2D} */ (element.getContext('2d'));
    const style = getComputedStyle(element);
    const top = Math.max(...vector.map(Math.abs));
    element.width = vector.length;
    vector.forEach((value, index) => {
      context.globalAlpha = Math.abs(value) / top;
      context.fillStyle = style.getPropertyValue(value < 0 ? '--c0' : '--c1');
      context.fillRect(index, 0, 1, 1);
    });
  }, [vector]);
  const numbers = [...vector.slice(0, 5)].map((value) => value.toFixed(3)).join(', ');
  return html`
    <div class="strip"><span class=${isAsked ? 'asked' : ''}><${Word} word=${word} isComposed=${isComposed} /></span>
      <canvas ref=${canvas} height="1" role="img" aria-label="Vector of ${word}: ${vector.length} numbers, beginning ${numbers}"></canvas></div>`;
}
