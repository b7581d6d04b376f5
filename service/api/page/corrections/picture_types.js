/** The types of pictures that the training reads. */

/** The suffix of a file of each. @type {Record<string, string>} */
export const SUFFIXES = { 'image/png': 'png', 'image/jpeg': 'jpg', 'image/webp': 'webp', 'image/gif': 'gif', 'image/bmp': 'bmp', 'image/tiff': 'tif',
  'image/avif': 'avif', 'image/heic': 'heic', 'image/heif': 'heif', 'image/apng': 'apng' };

/** Of bytes whose type is not known: the server looks at the bytes, the training at the name. */
export const UNKNOWN_TYPE = 'application/octet-stream';

/** Whether the training reads pictures of this type. @param {string} type */
export const isReadable = (type) => type in SUFFIXES;

/** The type of a picture: as the browser names it, or else by the file's suffix, as of HEIC in many browsers. @param {File} file */
export function imageTypeOf({ name, type }) {
  if (type.startsWith('image/')) return type;
  const suffix = /\.(\w+)$/.exec(name)?.[1].toLowerCase();
  return Object.keys(SUFFIXES).find((each) => SUFFIXES[each] === suffix) ?? UNKNOWN_TYPE;
}
