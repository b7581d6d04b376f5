/** A picture that was chosen, photographed, pasted or dropped, as a file.
 *
 * @typedef {import('./picture.js').Picture} Picture
 */
import { imageTypeOf } from '../../corrections/picture_types.js';

/** Sides of photographs in pixels: the network sees 28, so that nothing is lost above this. */
const LONGEST = 1024;

/** @param {File} file
 * @returns {Promise<{ image: ImageBitmap | null, unread: Picture | null }>} unread: one that this browser cannot show, to be
 *     sent as it is
 * @throws {DOMException} if its bytes cannot be read, as of a folder or a file that is gone */
export async function openFile(file) {
  try {
    return { image: await readImage(file), unread: null };
  } catch {
    const type = imageTypeOf(file);
    const name = file.name || 'picture';
    // Its bytes as they are now: the file may be gone when they are sent.
    const content = new File([await file.arrayBuffer()], name, { type, lastModified: file.lastModified });
    return { image: null, unread: { content, name, type, width: 0, height: 0 } };
  }
}

/** Read a file as an image.
 * @param {Blob} file
 * @returns {Promise<ImageBitmap>} of at most 1024 pixels a side
 * @throws {DOMException} if the browser cannot read it */
async function readImage(file) {
  const whole = file.type === 'image/svg+xml' ? await rasterized(file) : await createImageBitmap(file);
  const share = LONGEST / Math.max(whole.width, whole.height);
  if (share >= 1) return whole;
  const smaller = await createImageBitmap(whole, {
    resizeWidth: Math.max(1, Math.round(whole.width * share)),
    resizeHeight: Math.max(1, Math.round(whole.height * share)),
    resizeQuality: 'high',
  });
  whole.close();
  return smaller;
}

/** An SVG as pixels on white paper; the server reads pixels only.
 * @param {Blob} file @returns {Promise<ImageBitmap>} @throws {DOMException} if the browser cannot read it */
async function rasterized(file) {
  const address = URL.createObjectURL(file);
  try {
    const image = new Image();
    image.src = address;
    await image.decode();
    const share = LONGEST / Math.max(image.naturalWidth, image.naturalHeight, 1);
    const canvas = document.createElement('canvas');
    canvas.width = Math.max(1, Math.round(image.naturalWidth * share));
    canvas.height = Math.max(1, Math.round(image.naturalHeight * share));
    const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext('2d'));
    context.fillStyle = '#fff';
    context.fillRect(0, 0, canvas.width, canvas.height);
    context.drawImage(image, 0, 0, canvas.width, canvas.height);
    return await createImageBitmap(canvas);
  } finally {
    URL.revokeObjectURL(address);
  }
}
