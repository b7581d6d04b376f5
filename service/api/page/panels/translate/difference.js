/** What of an alternative differs from the translation, for texts that are too long to be compared by eye. */

/** Characters of a text that is shown whole. */
const SHORT = 200;
/** Characters that are shown before and after what differs. */
const CONTEXT = 40;

/** The part of a long text that differs from another one, with some words around it; a short text as it is.
 * @param {string} text @param {string} other */
export function differenceOf(text, other) {
  if (text.length <= SHORT) return text;
  let begin = 0;
  while (begin < text.length && text[begin] === other[begin]) begin += 1;
  let after = 0;
  const most = Math.min(text.length, other.length) - begin;
  while (after < most && text[text.length - 1 - after] === other[other.length - 1 - after]) after += 1;
  const from = wordBefore(text, begin - CONTEXT);
  const to = wordAfter(text, text.length - after + CONTEXT);
  return `${from ? '… ' : ''}${text.slice(from, to)}${to < text.length ? ' …' : ''}`;
}

/** Where the word begins that is cut at an index. @param {string} text @param {number} index */
function wordBefore(text, index) {
  if (index <= 0) return 0;
  return text.lastIndexOf(' ', index) + 1;
}

/** Where the word ends that is cut at an index. @param {string} text @param {number} index */
function wordAfter(text, index) {
  const space = index >= text.length ? -1 : text.indexOf(' ', index);
  return space < 0 ? text.length : space;
}
