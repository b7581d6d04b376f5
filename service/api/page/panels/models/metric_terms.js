/** The names of metrics that models come with, in words for who has just heard of them. */
import { three } from '../../components/numbers.js';

/** @typedef {import('../../server/types.js').Metric} Metric */

/** @typedef {object} Term
 * @property {string} [label] in place of the name, where that is a field of the API
 * @property {string} meaning
 * @property {boolean} [isShare] its value is a share, which is written as a percentage */

/** @type {Record<string, Term>} */
const TERMS = {
  accuracy: { meaning: 'the share of answers that are right', isShare: true },
  errors: { meaning: 'how many answers are wrong' },
  recognized: {
    label: 'recognized as one of its labels', isShare: true,
    meaning: 'of pictures that do show one of its labels, the share that it takes for one; of the others it says “not sure”',
  },
  'outliers not recognized': {
    label: 'noticed as none of its labels', isShare: true,
    meaning: 'of pictures that show none of its labels, such as a letter among digits, the share of which it says “not sure”',
  },
  'expected calibration error': {
    isShare: true, meaning: 'how far its percentages are, in the mean, from how often it is right: at 0 they are as often right as they say',
  },
  precision: { meaning: 'of the names that it found, the share that is right', isShare: true },
  recall: { meaning: 'of the names that are there, the share that it found', isShare: true },
  F1: { meaning: 'precision and recall in one number, their harmonic mean: 100 % is all and nothing else', isShare: true },
  BLEU: { meaning: 'how many of its sequences of up to four words are in a person’s translation: 100 % is the same text, and good translations are far below' },
  chrF2: { meaning: 'the same of sequences of up to six characters, so that a wrong ending costs less' },
  "Spearman's rho": { meaning: 'whether it ranks pairs of words by likeness as people do: 1 is the same order, 0 has nothing to do with it' },
  'everyday sentences': { meaning: 'the share of short everyday sentences whose translation passes all checks' },
  'names, numbers and dates': { meaning: 'of such sentences with names, numbers or dates, the share whose translation has all of them' },
  'known words': { meaning: 'the share of the words of these texts that have a vector' },
};

/** Names of metrics that end or begin otherwise than their term, as `F1 of LOC` and `BLEU, lower case`. */
const KIND = /^(.+?)(?: of .+|, .+)$/;

/** The name of a metric's term. @param {string} name */
const termNameOf = (name) => (name in TERMS ? name : KIND.exec(name)?.[1] ?? '');

/** @param {string} name @returns {Term | undefined} */
const termOf = (name) => TERMS[termNameOf(name)];

/** @param {Metric} metric */
export const labelOf = ({ name }) => TERMS[name]?.label ?? name;

/** What a name means; empty: it is not known. @param {string} name */
export const meaningOf = (name) => termOf(name)?.meaning ?? '';

/** The value as a person reads it. @param {Metric} metric */
export function amount({ name, value, unit }) {
  if (!unit && termOf(name)?.isShare) return `${three(value * 100)} %`;
  return `${Number.isInteger(value) ? value.toLocaleString('en') : three(value)}${unit ? ` ${unit}` : ''}`;
}

/** The metric that stands for a model in a list: one that is comparable, not a count, and of those of its name and data set the
 * first of the test split. @param {Metric[]} metrics @returns {Metric | undefined} */
export function headline(metrics) {
  const first = metrics.find(({ name, unit }) => unit === '%' || termOf(name)?.isShare) ?? metrics[0];
  return metrics.find((each) => each.name === first.name && setOf(each) === setOf(first) && splitOf(each) === 'test') ?? first;
}

/** The name of a data set, without its split. @param {Metric} metric */
const setOf = ({ data }) => data.split(',')[0];

/** The split of the data that a metric was measured on; empty: its bundle does not say. @param {Metric} metric */
export const splitOf = ({ data }) => ['test', 'dev', 'held-out'].find((split) => new RegExp(`(^|[ ,])${split}([ ,;]|$)`).test(data)) ?? '';

/** The different names of metrics that have a meaning, each as it is labeled. @param {Metric[]} metrics
 * @returns {{ label: string, meaning: string }[]} */
export function explained(metrics) {
  const names = [...new Set(metrics.map(({ name }) => termNameOf(name)))].filter((name) => name in TERMS);
  return names.map((name) => ({ label: TERMS[name].label ?? name, meaning: TERMS[name].meaning }));
}
