/** Subwords and words: SentencePiece marks with ▁ the piece that begins a word.
 *
 * @typedef {{ text: string, pieces: number[] }} Word a word, or the signs before or after one; pieces: their indices in the list of pieces
 */

export const START = '▁';
export const END = '</s>';
/** Stands for what the network does not see: it is copied. */
export const COPIED = '<unk>';
/** How the page writes it. */
export const COPIED_SIGN = '▢';

/** How the page writes the end of a sentence, and the mark of a word's beginning where it is a piece of its own. */
export const END_SIGN = '■';
export const START_SIGN = '␣';
/** What the signs mean. */
export const SIGNS = `${END_SIGN} is the end of the sentence, ${START_SIGN} the space before a word where it is a subword of its own.`;

/** A piece as a person reads it; never empty. @param {string} piece */
export function readable(piece) {
  if (piece === END) return END_SIGN;
  if (piece === COPIED) return COPIED_SIGN;
  return piece.replaceAll(START, ' ').trim() || START_SIGN;
}

/** Pieces as the text that they are, with signs for what is no text. @param {string[]} pieces */
export const textOf = (pieces) => pieces.map((piece) => (piece === END ? ` ${END_SIGN}` : piece === COPIED ? COPIED_SIGN : piece))
  .join('').replaceAll(START, ' ').trim();

/** @param {string[]} pieces @returns {Word[]} without the end of the sentence; signs before and after a word stand alone */
export function wordsOf(pieces) {
  /** @type {number[][]} */
  const groups = [];
  pieces.forEach((piece, index) => {
    if (piece === END) return;
    if (groups.length && !piece.startsWith(START)) groups[groups.length - 1].push(index);
    else groups.push([index]);
  });
  const wordOf = (/** @type {number[]} */ group) => ({ text: textOf(group.map((index) => pieces[index])), pieces: group });
  return groups.flatMap((group) => withoutSigns(group, pieces)).map(wordOf).filter(({ text }) => text);
}

/** The signs before a word, the word, and those after it; a group of signs alone stays whole.
 * @param {number[]} group indices of pieces @param {string[]} pieces @returns {number[][]} */
function withoutSigns(group, pieces) {
  const isSign = (/** @type {number} */ index) => pieces[index] !== COPIED && /^[\p{P}\p{S}]*$/u.test(pieces[index].replaceAll(START, ''));
  let begin = 0;
  while (begin < group.length && isSign(group[begin])) begin += 1;
  if (begin === group.length) return [group];
  let end = group.length;
  while (isSign(group[end - 1])) end -= 1;
  // The mark of the word's beginning alone belongs to the word.
  if (group.slice(0, begin).every((index) => pieces[index] === START)) begin = 0;
  return [group.slice(0, begin), group.slice(begin, end), group.slice(end)].filter((part) => part.length);
}

/** How much each target word attended to each source word: summed over the source's pieces, the mean over the target's.
 * @param {number[][]} alignment [target piece][source piece]
 * @param {Word[]} source @param {Word[]} target @returns {number[][]} [target word][source word] */
export function attentionOfWords(alignment, source, target) {
  return target.map((word) => source.map((other) => word.pieces.reduce(
    (sum, row) => sum + other.pieces.reduce((part, column) => part + alignment[row][column], 0), 0) / word.pieces.length));
}
