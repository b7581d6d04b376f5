/** A picture that was chosen, photographed, pasted or dropped, as a file.
 *
 * @typedef {import('./picture.js').Picture} Picture
 */
import { imageTypeOf } from '../../corrections/picture_types.js';
import { FIRST_BYTES, kindOf, refusalOf } from './file_kind.js';

/** Sides of photographs in pixels: the network sees 28, so that nothing is lost above this. */
const MAX_SIDE = 1024;
const SVG = 'image/svg+xml';

const MEGABYTE = 1e6;

/** What the server reads of a model. @param {import('../../server/types.js').Model} model
 * @returns {{ types: string[] | undefined, maxBytes: number }} types: of pictures; undefined: it does not say */
export const acceptedBy = ({ details, limits }) => ({ types: details.media_types, maxBytes: limits.max_body_bytes ?? Infinity });

/** @param {File} file @param {ReturnType<typeof acceptedBy>} accepted
 * @returns {Promise<{ image: ImageBitmap | null, unread: Picture | null, refusal: string }>} unread: one that this browser cannot
 *     show, to be sent as it is. refusal: why it is neither, for the user
 * @throws {DOMException} if its bytes cannot be read, as of a folder or a file that is gone */
export async function openFile(file, { types, maxBytes }) {
  const name = file.name || 'This file';
  const kind = kindOf(new Uint8Array(await file.slice(0, FIRST_BYTES).arrayBuffer()));
  const refused = (/** @type {string} */ refusal) => ({ image: null, unread: null, refusal });
  // Also before the browser tries: it may be gigabytes of video.
  if (kind.noPicture !== null) return refused(refusalOf(kind, name, types) ?? '');
  try {
    return { image: kind.isSvg ? await rasterized(new Blob([file], { type: SVG })) : await readImage(file), unread: null, refusal: '' };
  } catch {
    const refusal = kind.isSvg ? `${name} is an SVG that this browser cannot draw. Choose a PNG of it.` : refusalOf(kind, name, types);
    if (refusal) return refused(refusal);
    if (file.size > maxBytes) {
      return refused(`${name} has ${(file.size / MEGABYTE).toFixed(1)} MB, and this browser cannot make it smaller: the server takes ${(maxBytes / MEGABYTE).toFixed(1)} MB. Choose a smaller one, or a JPEG of it.`);
    }
    const type = kind.type ?? imageTypeOf(file);
    // Its bytes as they are now: the file may be gone when they are sent.
    const content = new File([await file.arrayBuffer()], file.name || 'picture', { type, lastModified: file.lastModified });
    return { image: null, unread: { content, name: content.name, type, width: 0, height: 0 }, refusal: '' };
  }
}

/** Read a file as an image.
 * @param {Blob} file
 * @returns {Promise<ImageBitmap>} of at most 1024 pixels a side
 * @throws {DOMException} if the browser cannot read it */
async function readImage(file) {
  const whole = await createImageBitmap(file);
  const share = MAX_SIDE / Math.max(whole.width, whole.height);
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
    const share = MAX_SIDE / Math.max(image.naturalWidth, image.naturalHeight, 1);
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
