/** What is asked for: a word, a sum of words, or several words.
 *
 * @typedef {{ kind: 'none' } | { kind: 'word', positive: string[], negative: string[] }
 *     | { kind: 'sum', positive: string[], negative: string[], steps: { sign: 1 | -1, word: string }[] }
 *     | { kind: 'several', positive: string[], negative: string[] }} Question
 */

/** Minus signs as people type and paste them. */
const MINUS = /[−–—]/g;

/** @param {string} text such as `king`, `king - man + woman` or `cat, dog, car` @returns {Question} */
export function parse(text) {
  const parts = text.replace(MINUS, '-').split(/[\s,;]+|(?<=^|[\s,;])([+-])/).filter(Boolean);
  /** @type {{ sign: 1 | -1, word: string }[]} */
  const steps = [];
  let sign = /** @type {1 | -1} */ (1);
  let isSum = false;
  for (const part of parts) {
    if (part === '+' || part === '-') {
      sign = part === '-' ? -1 : 1;
      isSum = true;
    } else {
      steps.push({ sign, word: part });
      sign = 1;
    }
  }
  if (!steps.length) return { kind: 'none' };
  const positive = steps.filter((step) => step.sign > 0).map(({ word }) => word);
  const negative = steps.filter((step) => step.sign < 0).map(({ word }) => word);
  if (isSum && steps.length > 1) return { kind: 'sum', positive, negative, steps };
  if (steps.length === 1) return { kind: 'word', positive: [steps[0].word], negative: [] };
  return { kind: 'several', positive, negative: [] };
}

/** A question or a list with another word in the place of one. @param {string} text @param {string} word @param {string} other */
export const replaced = (text, word, other) => text.split(/([\s,;]+)/)
  .map((part) => (part.replace(/^[+−–—-]/, '') === word ? part.slice(0, part.length - word.length) + other : part)).join('');

/** The words of a list that a person typed, each once. @param {string} text */
export const listed = (text) => [...new Set(text.split(/[\s,;]+/).filter(Boolean))];
