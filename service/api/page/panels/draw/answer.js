/** What the model says: the best label large, all of them as bars, and in words what is odd about the picture. */
import { Bars } from '../../components/bars.js';
import { percent } from '../../components/numbers.js';
import { html } from '../../vendor/preact.js';

/** @typedef {{ label: string, score: number }} Prediction */
/** @typedef {{ predictions: Prediction[], figures?: number, recognized?: boolean, familiarity?: number,
 *     parts?: { x: number, y: number, width: number, height: number, predictions: Prediction[] }[] }} Result */

/** Labels up to this many stand in the model's own order, so that no bar moves. */
const STILL = 12;

/** @param {{ result: Result, labels: string[] }} props */
export function Said({ result, labels }) {
  const best = result.predictions[0];
  const order = labels.length <= STILL
    ? [...result.predictions].sort((a, b) => labels.indexOf(a.label) - labels.indexOf(b.label)) : result.predictions;
  const together = result.parts?.map(({ predictions }) => predictions[0]?.label ?? '?').join(' ');
  return html`
    <div class="said stack">
      <p class="reading"><output>${together ?? best?.label ?? '–'}</output>
        <span class="caption">${together === undefined ? best && percent(best.score) : `${result.parts?.length} read one by one`}</span></p>
      ${doubts(result).map((text) => html`<p key=${text} class="doubt">${text}</p>`)}
      <${Bars} label="Scores" best=${best?.label} bars=${order.map(({ label, score }) => ({ name: label, value: score }))} />
    </div>`;
}

/** What speaks against taking the answer as it is. @param {Result} result @returns {string[]} */
function doubts({ figures, recognized, familiarity, parts }) {
  const texts = [];
  if (figures === 0) texts.push('There is no ink in this picture: the scores mean nothing.');
  if (figures !== undefined && figures > 1 && !parts) {
    texts.push(`There seem to be ${figures} figures here, and the model reads one. Switch on “One by one” to read each.`);
  }
  if (recognized === false && figures !== 0) {
    texts.push(`Not sure that this is one of its labels${familiarity === undefined ? '' : ` (familiar to ${percent(familiarity)})`}: a network gives scores to anything.`);
  }
  return texts;
}
