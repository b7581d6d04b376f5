/** The temperature of the softmax that makes percentages of the outputs, read off an answer: graphs divide by it after their last layer.
 *
 * @typedef {import('../../server/arrays.js').Decoded} Decoded
 */

/** Scores come with six digits: smaller ones have too few of them. */
const LEAST_SCORE = 1e-4;
/** Outputs come in so many steps; differences below a few steps say nothing. */
const STEPS = 255;
const FEW_STEPS = 10;
/** How far a logarithm of a score may be from what the temperature makes it, beside the steps of the outputs. */
const TOLERANCE = 0.05;

/** @param {Decoded} outputs of the last layer, one a label @param {string[]} labels
 * @param {{ label: string, score: number }[]} predictions
 * @returns {number | null} null: the scores are no softmax of the outputs, or too few are large enough to tell */
export function temperatureOf(outputs, labels, predictions) {
  const usable = predictions.filter(({ label, score }) => score >= LEAST_SCORE && labels.includes(label))
    .map(({ label, score }) => ({ output: outputs.values[labels.indexOf(label)], logarithm: Math.log(score) }));
  const [best, ...others] = usable.sort((a, b) => b.logarithm - a.logarithm);
  const differences = others.map(({ output, logarithm }) => ({ output: output - best.output, logarithm: logarithm - best.logarithm }));
  const step = (outputs.max - outputs.min) / STEPS;
  if (!differences.some(({ output }) => Math.abs(output) > FEW_STEPS * step)) return null;
  const sum = (/** @type {(each: { output: number, logarithm: number }) => number} */ of) => differences.reduce((total, each) => total + of(each), 0);
  const temperature = sum(({ output }) => output * output) / sum(({ output, logarithm }) => output * logarithm);
  if (!(temperature > 0)) return null;
  const isSoftmax = differences.every(({ output, logarithm }) => Math.abs(logarithm - output / temperature) <= TOLERANCE + (2 * step) / temperature);
  return isSoftmax ? temperature : null;
}
