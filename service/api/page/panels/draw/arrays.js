/** Arrays of the server's answers. docs/api.md: the byte b stands for min + b / 255 * (max - min).
 *
 * @typedef {{ shape: number[], dtype: 'uint8' | 'float32', min: number, max: number, data: string }} Encoded
 * @typedef {{ shape: number[], values: Float32Array, min: number, max: number }} Decoded in row-major order
 */

/** @param {Encoded} encoded @returns {Decoded} */
export function decoded({ shape, dtype, min, max, data }) {
  const bytes = Uint8Array.from(atob(data), (character) => character.charCodeAt(0));
  if (dtype === 'float32') return { shape, values: new Float32Array(bytes.buffer), min, max };
  return { shape, values: Float32Array.from(bytes, (byte) => min + (byte / 255) * (max - min)), min, max };
}
