/** What is probable at a token by itself, beside the tag that the answer gives it.
 *
 * The answer of a CRF is the most probable sequence of tags (Viterbi); the marginals are of each token alone, and their
 * greatest may belong to another sequence.
 *
 * @typedef {{ tags: string[], marginals: number[][], transitions: (number | null)[][] | null, without_crf: string[] | null }} Explanation
 * @typedef {import('./marked_text.js').Token} Token
 */
import { percent } from '../../components/numbers.js';

const MAX_BEST = 3;

/** All tags of a token, the most probable first. @param {Explanation} explain @param {number} index */
export const ranked = (explain, index) => explain.marginals[index]
  .map((value, tag) => ({ name: explain.tags[tag], value })).sort((a, b) => b.value - a.value);

/** The most probable tags of a token, and the answered one if it is not among them.
 * @param {Token} token @param {number} index @param {Explanation | undefined} explain without it only the answer is known */
export function bestOf(token, index, explain) {
  if (!explain) return [{ name: token.tag, value: token.score }];
  return ranked(explain, index).filter(({ name }, rank) => rank < MAX_BEST || name === token.tag);
}

/** The tag that would be taken if each token were tagged by itself, where the answer is another; null: it is the same.
 * @param {Token} token @param {number} index @param {Explanation | undefined} explain */
export function likelierAlone(token, index, explain) {
  const name = explain && ranked(explain, index)[0].name;
  return name === undefined || name === token.tag ? null : name;
}

/** The probability of the answered tag. The token's own score is that of one tag of the network, of which several may stand
 * behind the answered one. @param {Token} token @param {number} index @param {Explanation | undefined} explain */
export const probabilityOf = (token, index, explain) => explain?.marginals[index][explain.tags.indexOf(token.tag)] ?? token.score;

/** The best tags of a token in words. @param {Token} token @param {number} index @param {Explanation | undefined} explain */
export function bestInWords(token, index, explain) {
  const tags = bestOf(token, index, explain).map(({ name, value }) => `${name} ${percent(value)}`).join(', ');
  return likelierAlone(token, index, explain) === null ? `${token.text}: ${tags}` : `${token.text}, tagged ${token.tag}: ${tags}`;
}
