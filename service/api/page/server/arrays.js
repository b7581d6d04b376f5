/** Arrays of the server's answers. docs/api.md: the byte b stands for min + b / 255 * (max - min).
 *
 * @typedef {{ shape: number[], dtype: 'uint8' | 'float32', min: number, max: number, data: string }} Encoded
 * @typedef {{ shape: number[], values: Float32Array, min: number, max: number }} Decoded in row-major order
 */

/** @param {Encoded} encoded @returns {Decoded} */
export function decodeArray({ shape, dtype, min, max, data }) {
  if (dtype === 'float32') return { shape, values: decodeFloat32(data), min, max };
  return { shape, values: Float32Array.from(decodeBase64(data), (byte) => min + (byte / 255) * (max - min)), min, max };
}

/** @param {string} text base64 of little-endian float32 @returns {Float32Array} */
export function decodeFloat32(text) {
  const bytes = decodeBase64(text);
  const view = new DataView(bytes.buffer);
  return Float32Array.from({ length: bytes.length / 4 }, (_, index) => view.getFloat32(index * 4, true));
}

/** @param {string} text */
const decodeBase64 = (text) => Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
