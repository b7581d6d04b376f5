/** What the model says: the best label large, all of them as bars, and in words what is odd about the picture. */
import { Bars } from '../../components/bars.js';
import { percent } from '../../components/numbers.js';
import { html } from '../../vendor/preact.js';

/** @typedef {{ label: string, score: number }} Prediction */
/** @typedef {{ predictions: Prediction[], figures?: number, recognized?: boolean, familiarity?: number,
 *     parts?: Part[] }} Result
 * @typedef {{ x: number, y: number, width: number, height: number, predictions: Prediction[], recognized?: boolean, familiarity?: number }} Part */

/** Labels up to this many stand in the model's own order, so that no bar moves. */
const MAX_IN_ORDER = 12;
/** Others than the best that a phone, whose bars have no numbers, has in words, and the least of them. */
const MAX_OTHERS = 3;
const MIN_SCORE = 0.0005;

/** @param {{ result: Result, labels: string[], targetLabel: string | null, onTargetLabel: (label: string | null) => void }} props
 *     targetLabel: the label that was chosen for the heat map below; null: the best */
export function Predictions({ result, labels, targetLabel, onTargetLabel }) {
  const best = result.predictions[0];
  const order = labels.length <= MAX_IN_ORDER
    ? [...result.predictions].sort((a, b) => labels.indexOf(a.label) - labels.indexOf(b.label)) : result.predictions;
  const others = result.predictions.filter(({ label, score }) => label !== best?.label && score >= MIN_SCORE).slice(0, MAX_OTHERS);
  const isDoubtful = result.recognized === false || result.figures === 0;
  const together = result.parts?.map(({ predictions }) => predictions[0]?.label ?? '?').join(' ');
  return html`
    <div class="predictions">
      <p class="reading"><output>${together ?? best?.label ?? '–'}</output>
        <span class="caption">${together === undefined ? best && `${percent(best.score)}${isDoubtful ? ', but not sure' : ''}`
    : result.parts?.map(({ predictions: [first] }) => first && percent(first.score)).join(', ')}</span></p>
      ${together !== undefined && html`<p class="caption">The bars: all of it read as one figure.</p>`}
      <div class=${labels.length <= MAX_IN_ORDER ? 'columns' : ''}><${Bars} label="Scores" best=${best?.label} bars=${order.map(({ label, score }) => ({ name: label, value: score }))}
        chosen=${targetLabel} hint=${(/** @type {string} */ label) => `What speaks for and against ${label}`}
        onChoose=${(/** @type {string} */ label) => onTargetLabel(label === targetLabel ? null : label)} /></div>
      ${labels.length <= MAX_IN_ORDER && result.predictions.length > 1 && html`<p class="caption others" aria-hidden="true">${others.length
    ? `Then ${others.map(({ label, score }) => `${label}: ${percent(score)}`).join(', ')}.` : 'Each of the others: less than 0.1 %.'}</p>`}
      <p class="caption">${targetLabel === null ? 'Why not another? Choose its label.' : `“What it saw”, below, is about ${targetLabel}. Choose it again to return to the answer.`}</p>
      ${doubts(result).map((text) => html`<p key=${text} class="doubt">${text}</p>`)}
    </div>`;
}

/** What speaks against taking the answer as it is. @param {Result} result @returns {string[]} */
function doubts({ figures, recognized, familiarity, parts }) {
  const texts = [];
  if (figures === 0) texts.push('There is no ink in this picture: the scores mean nothing.');
  if (figures !== undefined && figures > 1 && !parts) {
    texts.push(`There seem to be ${figures} figures here, and the network takes them for one. Switch on “Read several figures one by one”.`);
  }
  // Several figures are none of the labels together; read one by one, each may well be.
  if (parts?.length) {
    const unsure = parts.flatMap((part, index) => (part.recognized === false ? [nameOf(part, index)] : []));
    if (unsure.length) {
      texts.push(`Not sure that ${unsure.join(', ')} ${unsure.length > 1 ? 'are' : 'is'} any of its labels: ${unsure.length > 1 ? 'they look' : 'it looks'} unlike what the network was trained with.`);
    }
  } else if (recognized === false && figures !== 0) {
    texts.push(`Not sure that this is any of its labels: it looks unlike what the network was trained with${familiarity === undefined ? '' : `, and is one of them with a probability of ${percent(familiarity)}`}. The scores sum to 100 % all the same, whatever is drawn.`);
  }
  return texts;
}

/** A figure by its number, counted from 1, and how it was read. @param {Part} part @param {number} index */
function nameOf({ predictions: [first], familiarity }, index) {
  const details = [first && `read as ${first.label}`, familiarity !== undefined && `one of the labels with a probability of ${percent(familiarity)}`].filter(Boolean);
  return `figure ${index + 1}${details.length ? ` (${details.join(', ')})` : ''}`;
}
