/** A ZIP archive without compression: pictures are compressed already. (PKWARE, APPNOTE.TXT 6.3.10, sections 4.3 and 4.4.)
 *
 * @typedef {{ name: string, content: Uint8Array }} File name: with slashes between folders
 */

const UTF8_NAMES = 0x0800;
const VERSION = 20;
/** 1 January 1980, the first day of a ZIP's calendar: the same files make the same archive. */
const DATE = (1 << 5) | 1;

const TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let sum = byte;
  for (let bit = 0; bit < 8; bit += 1) sum = sum & 1 ? (sum >>> 1) ^ 0xedb88320 : sum >>> 1;
  return sum;
});

/** @param {Uint8Array} bytes */
function crc32(bytes) {
  let sum = 0xffffffff;
  for (const byte of bytes) sum = (sum >>> 8) ^ TABLE[(sum ^ byte) & 0xff];
  return (sum ^ 0xffffffff) >>> 0;
}

/** Numbers in little-endian order. @param {[number, 2 | 4][]} fields each with its bytes */
function packed(fields) {
  const view = new DataView(new ArrayBuffer(fields.reduce((sum, [, bytes]) => sum + bytes, 0)));
  let at = 0;
  for (const [value, bytes] of fields) {
    if (bytes === 2) view.setUint16(at, value, true);
    else view.setUint32(at, value, true);
    at += bytes;
  }
  return new Uint8Array(view.buffer);
}

/** @param {File[]} files at most 65,535, of less than 4 GiB together @returns {Blob} */
export function zipped(files) {
  /** @type {Uint8Array<ArrayBuffer>[]} */
  const parts = [];
  /** @type {Uint8Array<ArrayBuffer>[]} */
  const directory = [];
  let offset = 0;
  for (const { name, content } of files) {
    const path = new TextEncoder().encode(name);
    /** @type {[number, 2 | 4][]} */
    const common = [[VERSION, 2], [UTF8_NAMES, 2], [0, 2], [0, 2], [DATE, 2], [crc32(content), 4], [content.length, 4],
      [content.length, 4], [path.length, 2], [0, 2]];
    const header = packed([[0x04034b50, 4], ...common]);
    parts.push(header, path, new Uint8Array(content));
    directory.push(packed([[0x02014b50, 4], [VERSION, 2], ...common, [0, 2], [0, 2], [0, 2], [0, 4], [offset, 4]]), path);
    offset += header.length + path.length + content.length;
  }
  const size = directory.reduce((sum, part) => sum + part.length, 0);
  const end = packed([[0x06054b50, 4], [0, 2], [0, 2], [files.length, 2], [files.length, 2], [size, 4], [offset, 4], [0, 2]]);
  return new Blob([...parts, ...directory, end], { type: 'application/zip' });
}
