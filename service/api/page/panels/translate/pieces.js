/** Subwords and words: SentencePiece marks with ▁ the piece that begins a word.
 *
 * @typedef {{ text: string, pieces: number[] }} Word pieces: their indices in the list of pieces
 */

export const START = '▁';
export const END = '</s>';
/** Stands for what the network does not see: it is copied. */
export const COPIED = '<unk>';
/** How the page writes it. */
export const COPIED_SIGN = '▢';

/** A piece as a person reads it. @param {string} piece */
export const readable = (piece) => (piece === END ? '■' : piece === COPIED ? COPIED_SIGN : piece.replaceAll(START, ' ').trim());

/** @param {string[]} pieces @returns {Word[]} without the end of the sentence */
export function wordsOf(pieces) {
  /** @type {Word[]} */
  const words = [];
  pieces.forEach((piece, index) => {
    if (piece === END) return;
    const text = piece === COPIED ? COPIED_SIGN : piece.replaceAll(START, '');
    const last = words.at(-1);
    if (last && !piece.startsWith(START)) {
      last.text += text;
      last.pieces.push(index);
    } else words.push({ text, pieces: [index] });
  });
  return words.filter(({ text }) => text);
}

/** How much each target word attended to each source word: summed over the source's pieces, the mean over the target's.
 * @param {number[][]} alignment [target piece][source piece]
 * @param {Word[]} source @param {Word[]} target @returns {number[][]} [target word][source word] */
export function attentionOfWords(alignment, source, target) {
  return target.map((word) => source.map((other) => word.pieces.reduce(
    (sum, row) => sum + other.pieces.reduce((part, column) => part + alignment[row][column], 0), 0) / word.pieces.length));
}
