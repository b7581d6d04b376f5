/** Names as spans of tokens, while one corrects them.
 *
 * @typedef {{ type: string | null, begins: boolean }} Mark of a token: the type of its name, null for none, and whether a
 *     name begins here although the token before has one of the same type
 */

/** @param {string[]} tags in IOB2 or BIOES @returns {Mark[]} */
export const marksOf = (tags) => tags.map((tag) => (
  /^[BIES]-/.test(tag) ? { type: tag.slice(2), begins: /^[BS]/.test(tag) } : { type: null, begins: false }));

/** @param {Mark[]} marks @param {number[]} starts indices of the tokens that begin sentences @returns {string[]} in IOB2 */
export const tagsOf = (marks, starts) => marks.map((mark, at) => (
  mark.type === null ? 'O' : `${isFirst(marks, at, starts) ? 'B' : 'I'}-${mark.type}`));

/** Whether a name begins at a token that has one. @param {Mark[]} marks @param {number} at @param {number[]} starts */
const isFirst = (marks, at, starts) => marks[at].begins || starts.includes(at) || marks[at - 1]?.type !== marks[at].type;

/** The tokens of the name that a token is in: [first, after last]; the token alone where it is in none.
 * @param {Mark[]} marks @param {number} at @param {number[]} starts @returns {[number, number]} */
export function nameAt(marks, at, starts) {
  if (marks[at].type === null) return [at, at + 1];
  let first = at;
  while (!isFirst(marks, first, starts)) first -= 1;
  let end = at + 1;
  while (end < marks.length && marks[end].type !== null && !isFirst(marks, end, starts)) end += 1;
  return [first, end];
}

/** Give tokens a type. They join a name of that type right before them and one right behind them.
 * @param {Mark[]} marks @param {[number, number]} range @param {string | null} type @returns {Mark[]} */
export const retyped = (marks, [first, end], type) => marks.map((mark, at) => {
  if (at >= first && at < end) return { type, begins: false };
  return at === end && type !== null && mark.type === type ? { type, begins: false } : mark;
});
