/** Colors for numbers: as CSS, and as red, green and blue for a canvas.
 *
 * @typedef {number[]} Rgb red, green and blue, each 0 to 255
 */

/** Cividis (Nuñez, Anderton and Renslow 2018) at nine points: even for the eye, and readable for color-blind eyes. */
const CIVIDIS = ['#00224e', '#123570', '#3b496c', '#575d6d', '#707173', '#8a8678', '#a59c74', '#c3b369', '#fee838'].map(hexToRgb);

/** A sequential color. @param {number} value between 0 and 1 */
export const cividis = (value) => `rgb(${cividisRgb(value).map(Math.round).join(' ')})`;

/** @param {number} value between 0 and 1 @returns {Rgb} */
export function cividisRgb(value) {
  const position = Math.max(0, Math.min(1, value)) * (CIVIDIS.length - 1);
  const index = Math.min(CIVIDIS.length - 2, Math.floor(position));
  return mix(CIVIDIS[index], CIVIDIS[index + 1], position - index);
}

/** A color for signed numbers: blue below zero, orange above. @param {number} value between -1 and 1 */
export function diverging(value) {
  const share = Math.min(100, Math.abs(value) * 100).toFixed(1);
  return `color-mix(in srgb, ${value < 0 ? 'var(--c0)' : 'var(--c1)'} ${share}%, var(--ground))`;
}

/** `diverging` for a canvas, which knows no custom properties: they are read once for all of its pixels.
 * @param {Element} element whose light or dark colors count @returns {(value: number) => Rgb} */
export function divergingRgb(element) {
  const [negative, positive, zero] = ['--c0', '--c1', '--ground'].map((name) => propertyRgb(element, name));
  return (value) => mix(zero, value < 0 ? negative : positive, Math.min(1, Math.abs(value)));
}

/** The value of a custom property that is a hexadecimal color. @param {Element} element @param {string} name @returns {Rgb} */
export const propertyRgb = (element, name) => hexToRgb(getComputedStyle(element).getPropertyValue(name).trim());

/** @param {Rgb} from @param {Rgb} to @param {number} share of `to`, between 0 and 1 @returns {Rgb} */
export const mix = (from, to, share) => from.map((part, channel) => part + (to[channel] - part) * share);

/** @param {string} color as #rrggbb @returns {Rgb} */
function hexToRgb(color) {
  return [1, 3, 5].map((at) => parseInt(color.slice(at, at + 2), 16));
}
