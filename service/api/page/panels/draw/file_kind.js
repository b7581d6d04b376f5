/** What a file is, by its first bytes: whether it can be a picture that the server reads is known before it is sent. */

/** As many bytes as tell it. */
export const FIRST_BYTES = 1024;

/** The types of pictures that browsers or the server read, each by what its files begin with, a byte a character.
 * @type {[string, string][]} */
const PICTURES = [
  ['\x89PNG\r\n\x1a\n', 'image/png'], ['\xff\xd8\xff', 'image/jpeg'], ['GIF8', 'image/gif'], ['BM', 'image/bmp'],
  ['II*\0', 'image/tiff'], ['MM\0*', 'image/tiff'], ['II+\0', 'image/tiff'], ['MM\0+', 'image/tiff'],
];
/** Brands of the container of AVIF and HEIC (ISO/IEC 23008-12). @type {[RegExp, string][]} */
const BRANDS = [[/^(avif|avis)$/, 'image/avif'], [/^(hei[cxms]|hev[cxms]|mif[12]|msf1)$/, 'image/heic']];
/** Types that are told by more than how a file begins. */
const OTHERS = ['image/webp', ...BRANDS.map(([, type]) => type)];
const KNOWN = [...PICTURES.map(([, type]) => type), ...OTHERS];

/** What is no picture. @type {[string, string][]} */
const NO_PICTURES = [
  ['%PDF', 'a PDF'], ['PK\x03\x04', 'a ZIP archive or a document'], ['\xd0\xcf\x11\xe0', 'a document'], ['MZ', 'a program'], ['\x7fELF', 'a program'],
  ['ID3', 'a sound'], ['OggS', 'a sound or video'], ['fLaC', 'a sound'], ['\x1a\x45\xdf\xa3', 'a video'],
];

/** @typedef {{ type: string | null, isSvg: boolean, noPicture: string | null }} FileKind
 *     type: of a picture that is recognized. noPicture: what it is instead, in words */

/** @param {Uint8Array} bytes the first of the file @returns {FileKind} */
export function kindOf(bytes) {
  const start = String.fromCharCode(...bytes);
  const container = start.slice(4, 8) === 'ftyp' ? containerOf(start) : null;
  const text = textOf(bytes);
  // A text may begin with BM.
  const type = text !== null ? null
    : PICTURES.find(([beginning]) => start.startsWith(beginning))?.[1] ?? (isRiff(start, 'WEBP') ? 'image/webp' : container);
  const isSvg = text !== null && /<svg[\s>]/i.test(text);
  const noPicture = type !== null || isSvg ? null
    : !bytes.length ? 'empty' : NO_PICTURES.find(([beginning]) => start.startsWith(beginning))?.[1]
      ?? (isRiff(start, 'WAVE') || isRiff(start, 'AVI ') || start.slice(4, 8) === 'ftyp' && /^(mp4|isom|iso\d|M4|3gp|avc1|qt)/.test(start.slice(8, 12)) ? 'a sound or video'
        : text !== null ? 'a text' : null);
  return { type, isSvg, noPicture };
}

/** What to say of a file that the server cannot read as its first bytes show; null: it may.
 * @param {FileKind} kind @param {string} name @param {string[] | undefined} accepted the types that the server reads; undefined: it does not say */
export function refusalOf({ type, noPicture }, name, accepted) {
  const others = `Choose a ${listed(accepted ?? ['image/png', 'image/jpeg'])}.`;
  if (noPicture !== null) return `${name} is ${noPicture}, not a picture. ${others}`;
  // A server that reads more than what is known here has the last word.
  if (!accepted || (type === null && accepted.some((each) => !KNOWN.includes(each)))) return null;
  if (type === null) return `${name} is in no format that this server reads. ${others}`;
  return accepted.includes(type) ? null : `${name} is ${nameOf(type)}, which this server does not read. ${others}`;
}

/** @param {string} start @param {string} form */
const isRiff = (start, form) => start.startsWith('RIFF') && start.slice(8, 12) === form;

/** The type of a picture in a container, by its brands. @param {string} start @returns {string | null} */
function containerOf(start) {
  const [a, b, c, d] = [0, 1, 2, 3].map((at) => start.charCodeAt(at));
  const end = Math.min(a * 2 ** 24 + b * 2 ** 16 + c * 2 ** 8 + d, start.length);
  const brands = [start.slice(8, 12)];
  for (let at = 16; at + 4 <= end; at += 4) brands.push(start.slice(at, at + 4));
  return BRANDS.find(([pattern]) => brands.some((brand) => pattern.test(brand)))?.[1] ?? null;
}

/** The bytes as a text; null: they are none. @param {Uint8Array} bytes */
function textOf(bytes) {
  try {
    // The last character may be cut.
    const text = new TextDecoder('utf-8', { fatal: true }).decode(bytes, { stream: true });
    return /[\0-\x08\x0e-\x1a\x1c-\x1f]/.test(text) ? null : text;
  } catch {
    return null;
  }
}

/** @param {string} type such as image/png */
const nameOf = (type) => (type === 'image/webp' ? 'WebP' : type.replace('image/', '').toUpperCase());

/** @param {string[]} types at least two */
const listed = (types) => `${types.slice(0, -1).map(nameOf).join(', ')} or ${nameOf(types[types.length - 1])}`;
