/** Colors for numbers. */

/** Cividis (Nuñez, Anderton and Renslow 2018) at nine points: even for the eye, and readable for color-blind eyes. */
const CIVIDIS = ['#00224e', '#123570', '#3b496c', '#575d6d', '#707173', '#8a8678', '#a59c74', '#c3b369', '#fee838'];
const RGB = CIVIDIS.map((color) => [1, 3, 5].map((at) => parseInt(color.slice(at, at + 2), 16)));

/** A sequential color. @param {number} value between 0 and 1 */
export function cividis(value) {
  const position = Math.max(0, Math.min(1, value)) * (RGB.length - 1);
  const index = Math.min(RGB.length - 2, Math.floor(position));
  const share = position - index;
  const mixed = RGB[index].map((part, channel) => Math.round(part + (RGB[index + 1][channel] - part) * share));
  return `rgb(${mixed.join(' ')})`;
}

/** A color for signed numbers: blue below zero, orange above. @param {number} value between -1 and 1 */
export function diverging(value) {
  const share = Math.min(100, Math.abs(value) * 100).toFixed(1);
  return `color-mix(in srgb, ${value < 0 ? 'var(--c0)' : 'var(--c1)'} ${share}%, var(--ground))`;
}
