/** Drawings to begin with. */
import { asText } from './strokes.js';

/** @typedef {import('./strokes.js').Point} Point */

const WIDTH = 18;

/** A stroke through points that are written as x, y, x, y. @param {number[]} numbers @returns {import('./strokes.js').Stroke} */
function stroke(...numbers) {
  /** @type {Point[]} */
  const points = [];
  for (let at = 0; at < numbers.length; at += 2) points.push({ x: numbers[at], y: numbers[at + 1] });
  return { points, width: WIDTH, erases: false };
}

/** An arc, clockwise from one angle to another, in degrees from the right.
 * @param {number} x @param {number} y @param {number} across radius @param {number} down radius @param {number} from @param {number} to */
function arc(x, y, across, down, from, to) {
  const steps = Math.max(4, Math.round(Math.abs(to - from) / 15));
  return Array.from({ length: steps + 1 }, (_, step) => {
    const angle = ((from + ((to - from) * step) / steps) * Math.PI) / 180;
    return [x + across * Math.cos(angle), y + down * Math.sin(angle)];
  }).flat();
}

/** @type {{ name: string, text: string }[]} */
export const EXAMPLES = [
  { name: 'three', text: asText([stroke(...arc(134, 92, 46, 42, -160, 90), ...arc(134, 188, 54, 52, -80, 155))]) },
  { name: 'seven', text: asText([stroke(86, 66, 190, 66, 160, 130, 132, 216), stroke(104, 142, 180, 142)]) },
  { name: 'four or nine?', text: asText([stroke(134, 66, 100, 82, 94, 112, 112, 142, 150, 140, 178, 116), stroke(184, 62, 180, 118, 172, 220)]) },
  { name: 'two figures', text: asText([stroke(86, 80, 78, 206), stroke(...arc(180, 106, 34, 32, -170, 60), 150, 196, 222, 196)]) },
  { name: 'a letter', text: asText([stroke(78, 216, 138, 64, 200, 216), stroke(104, 158, 176, 158)]) },
];
