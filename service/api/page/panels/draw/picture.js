/** The picture that is sent: what is drawn or was chosen, after what deforms it.
 *
 * @typedef {import('./strokes.js').Stroke} Stroke
 * @typedef {{ image: ImageBitmap | null, strokes: Stroke[] }} Source strokes lie on top of the image
 * @typedef {{ rotate: number, right: number, down: number, scale: number, thicker: number, noise: number }} Deformation
 *     rotate: degrees clockwise. right, down: of the pad, in percent. scale: 100 is as it is. thicker: pixels of the pad.
 *     noise: the largest change of a grey value, in percent
 * @typedef {{ content: Blob, name: string, type: string, width: number, height: number }} Picture
 */
import { PAD, paint } from './strokes.js';

const JPEG_QUALITY = 0.92;

/** @type {Deformation} */
export const UNCHANGED = { rotate: 0, right: 0, down: 0, scale: 100, thicker: 0, noise: 0 };

/** Whether there is anything to send. @param {Source} source */
export const isBlank = ({ image, strokes }) => !image && !strokes.some(({ erases }) => !erases);

/** Height and width of the canvas that holds a source. @param {Source} source */
export function sizeOf({ image }) {
  if (!image) return { width: PAD, height: PAD };
  return { width: image.width, height: image.height };
}

/** Draw a source on a canvas.
 * @param {HTMLCanvasElement} canvas its size is set
 * @param {Source} source @param {Deformation} [deformation] */
export function compose(canvas, source, deformation = UNCHANGED) {
  const { width, height } = sizeOf(source);
  if (canvas.width !== width) canvas.width = width;
  if (canvas.height !== height) canvas.height = height;
  const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext('2d', { willReadFrequently: true }));
  const { rotate, right, down, scale, thicker, noise } = deformation;
  context.setTransform(1, 0, 0, 1, 0, 0);
  context.fillStyle = source.image ? backgroundOf(context, source.image) : '#fff';
  context.fillRect(0, 0, width, height);
  context.translate(width / 2 + (right / 100) * width, height / 2 + (down / 100) * height);
  context.rotate((rotate * Math.PI) / 180);
  context.scale(scale / 100, scale / 100);
  context.translate(-width / 2, -height / 2);
  if (source.image) context.drawImage(source.image, 0, 0);
  context.scale(width / PAD, height / PAD);
  paint(context, source.strokes, thicker);
  context.setTransform(1, 0, 0, 1, 0, 0);
  if (noise) addNoise(context, width, height, noise);
}

/** What shows at the sides of a turned photograph: the color of its corner.
 * @param {CanvasRenderingContext2D} context @param {ImageBitmap} image */
function backgroundOf(context, image) {
  context.fillStyle = '#fff';
  context.fillRect(0, 0, 1, 1);
  context.drawImage(image, 0, 0, 1, 1, 0, 0, 1, 1);
  const [red, green, blue] = context.getImageData(0, 0, 1, 1).data;
  return `rgb(${red} ${green} ${blue})`;
}

/** Grey noise, the same for the same amount: a picture that changes by itself could not be compared.
 * @param {CanvasRenderingContext2D} context @param {number} width @param {number} height @param {number} percent */
function addNoise(context, width, height, percent) {
  const pixels = context.getImageData(0, 0, width, height);
  let state = 1;
  for (let at = 0; at < pixels.data.length; at += 4) {
    state = (Math.imul(state, 1664525) + 1013904223) | 0; // Numerical Recipes' generator
    const change = (state / 2 ** 31) * 2.55 * percent;
    for (let channel = 0; channel < 3; channel += 1) pixels.data[at + channel] += change;
  }
  context.putImageData(pixels, 0, 0);
}

/** The canvas as a file, named by its content.
 * @param {HTMLCanvasElement} canvas @param {boolean} isPhotograph as JPEG, otherwise PNG @returns {Promise<Picture>} */
export async function asFile(canvas, isPhotograph) {
  const bytes = isPhotograph ? await jpegOf(canvas) : pngOf(canvas);
  const type = isPhotograph ? 'image/jpeg' : 'image/png';
  const name = `drawing-${checksum(bytes)}.${isPhotograph ? 'jpg' : 'png'}`;
  return { content: new Blob([bytes], { type }), name, type, width: canvas.width, height: canvas.height };
}

/** At once: a drawing takes a millisecond, and `toBlob` would wait until the browser is idle, which it is not while one draws.
 * @param {HTMLCanvasElement} canvas */
function pngOf(canvas) {
  const address = canvas.toDataURL('image/png');
  return Uint8Array.from(atob(address.slice(address.indexOf(',') + 1)), (character) => character.charCodeAt(0));
}

/** @param {HTMLCanvasElement} canvas @returns {Promise<Uint8Array<ArrayBuffer>>} */
async function jpegOf(canvas) {
  /** @type {Blob} */
  const blob = await new Promise((resolve, reject) => {
    canvas.toBlob((made) => (made ? resolve(made) : reject(new Error('the canvas is empty'))), 'image/jpeg', JPEG_QUALITY);
  });
  return new Uint8Array(await blob.arrayBuffer());
}

/** FNV-1a of the bytes, in hexadecimal. @param {Uint8Array} bytes */
function checksum(bytes) {
  let sum = 0x811c9dc5;
  for (const byte of bytes) sum = Math.imul(sum ^ byte, 0x01000193);
  return (sum >>> 0).toString(16).padStart(8, '0');
}
