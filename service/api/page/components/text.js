/** Text as the page writes it. */

/** A text, cut where it is longer. @param {string} text @param {number} length the most characters, the ellipsis among them */
export const shortened = (text, length) => (text.length > length ? `${text.slice(0, length - 1).trimEnd()}…` : text);

/** A text as a sentence: a capital first, a full stop last. @param {string} text */
export const sentence = (text) => (text ? text[0].toUpperCase() + text.slice(1) + (/[.!?]$/.test(text) ? '' : '.') : '');
