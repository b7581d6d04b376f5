/** A sum of words as arrows in the plane: of their vectors' first two principal components. */
import { shortened } from '../../components/text.js';
import { html } from '../../vendor/preact.js';
import { ComposedLegend } from './composed.js';
import { pca, plus } from './vectors.js';

const WIDTH = 640;
const HEIGHT = 320;
const MARGIN = 72;
/** Between an arrow and its label. */
const GAP = 10;
/** How far the way from an arrow to its label goes to the side, of 1, for the label to stand beside it and not above. */
const SLANTED = 0.3;
/** About the height of a label, and the width of one of its letters. */
const LABEL_HEIGHT = 22;
const LETTER_WIDTH = 10;
/** Characters of a label. */
const LONGEST = 24;

/** @param {{ model: import('../../server/types.js').Model, steps: { sign: 1 | -1, word: string }[], vectors: Map<string, Float32Array>,
 *     composed: Set<string>, nearest: string[] }} props
 *     composed: the words whose vectors are composed of their n-grams. nearest: the words that the sum leads to, the best first */
export function Arrows({ model, steps, vectors, composed, nearest }) {
  if (steps.some(({ word }) => !vectors.has(word))) return null;
  const known = nearest.filter((word) => vectors.has(word)).slice(0, 3);
  const words = [...new Set([...steps.map(({ word }) => word), ...known])];
  // The path: each step adds or subtracts the vector of its word.
  const path = steps.reduce((points, { sign, word }, index) => {
    const vector = /** @type {Float32Array} */ (vectors.get(word));
    return [...points, index ? plus(points[index - 1], vector, sign) : sign > 0 ? vector : vector.map((value) => -value)];
  }, /** @type {Float32Array[]} */ ([]));
  const { coordinates, project } = pca(words.map((word) => /** @type {Float32Array} */ (vectors.get(word))), 2);
  const route = path.map(project);
  const every = [...coordinates, ...route];
  const range = [0, 1].map((axis) => [Math.min(...every.map((at) => at[axis])), Math.max(...every.map((at) => at[axis]))]);
  const scale = Math.min(...[WIDTH, HEIGHT].map((size, axis) => (size - 2 * MARGIN) / (range[axis][1] - range[axis][0] || 1)));
  const at = (/** @type {number[]} */ point) => [
    WIDTH / 2 + (point[0] - (range[0][0] + range[0][1]) / 2) * scale,
    HEIGHT / 2 - (point[1] - (range[1][0] + range[1][1]) / 2) * scale,
  ];
  const above = labelsAbove(words.map((word, index) => ({ word, at: at(coordinates[index]) })));
  const description = `${steps.map(({ sign, word }, index) => `${sign < 0 ? '− ' : index ? '+ ' : ''}${word}`).join(' ')} leads nearest to ${known.join(', ')}`;
  const label = (/** @type {string} */ word) => html`<tspan class=${composed.has(word) ? 'composed' : ''}>${shortened(word, LONGEST)}</tspan>`;
  return html`
    <figure>
      <svg class="arrows" viewBox="0 0 ${WIDTH} ${HEIGHT}" role="img" aria-label=${description}>
        <defs><marker id="head" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto-start-reverse">
          <path d="M0 0 8 4 0 8z" /></marker></defs>
        ${route.slice(1).map((to, index) => {
    const [[x1, y1], [x2, y2]] = [at(route[index]), at(to)];
    const { sign, word } = steps[index + 1];
    const [side, up] = beside(x2 - x1, y2 - y1);
    return html`<g key=${index} class=${sign > 0 ? 'plus' : 'minus'}>
          <line x1=${x1} y1=${y1} x2=${x2} y2=${y2} marker-end="url(#head)" />
          <text x=${(x1 + x2) / 2 + side * GAP} y=${(y1 + y2) / 2 + up * GAP} text-anchor=${side > SLANTED ? 'start' : side < -SLANTED ? 'end' : 'middle'} class="step">${sign > 0 ? '+' : '−'} ${label(word)}</text></g>`;
  })}
        ${words.map((word, index) => {
    const [x, y] = at(coordinates[index]);
    const isAnswer = word === known[0] && !steps.some((step) => step.word === word);
    return html`<g key=${word} class=${isAnswer ? 'word answer' : 'word'}><circle cx=${x} cy=${y} r="4.5" />
          <text x=${x} y=${y} dy=${above.has(word) ? '-0.7em' : '1.3em'}>${label(word)}</text></g>`;
  })}
        ${(() => { const [x, y] = at(/** @type {number[]} */ (route.at(-1))); return html`<circle class="sum" cx=${x} cy=${y} r="7" />`; })()}
      </svg>
      <figcaption class="caption">The plane in which these words differ most. The ring is the sum; the nearest word that is
        not in it is the answer. By its direction it is nearest: here it may look further away, as the plane shows two of
        ${' '}${vectors.get(steps[0].word)?.length} dimensions.</figcaption>
      <${ComposedLegend} model=${model} words=${words.filter((word) => composed.has(word))} />
    </figure>`;
}

/** The direction from an arrow to its label: at a right angle, and upwards. @param {number} dx @param {number} dy of the arrow */
function beside(dx, dy) {
  const length = Math.hypot(dx, dy) || 1;
  const direction = dx > 0 ? 1 : -1;
  return [(direction * dy) / length, (-direction * dx) / length];
}

/** The words whose labels stand above their points, as those below would lie on another. @param {{ word: string, at: number[] }[]} points */
function labelsAbove(points) {
  /** @type {{ x: number, y: number, width: number }[]} */
  const taken = [];
  /** @type {Set<string>} */
  const above = new Set();
  for (const { word, at: [x, y] } of points) {
    const width = Math.min(word.length, LONGEST) * LETTER_WIDTH;
    const isFree = (/** @type {number} */ top) => taken.every((other) => (
      Math.abs(other.x - x) >= (other.width + width) / 2 || Math.abs(other.y - top) >= LABEL_HEIGHT));
    const isAbove = !isFree(y + LABEL_HEIGHT / 2) && isFree(y - LABEL_HEIGHT);
    if (isAbove) above.add(word);
    taken.push({ x, y: isAbove ? y - LABEL_HEIGHT : y + LABEL_HEIGHT / 2, width });
  }
  return above;
}
