/** Word vectors: how they are asked for, and arithmetic with them. */
import { decodeFloat32 } from '../../server/arrays.js';

/** The call for the vectors of words. @param {import('../../server/types.js').Model} model @param {string[]} words */
export const vectorsCall = (model, words) => ({
  path: 'v1/embeddings', body: { model: model.id, version: model.version, input: words, encoding_format: 'base64' },
});

/** The vectors of an answer to `vectorsCall` by their words, in the order of the call; unknown words are left out.
 * @param {import('../../server/types.js').Answer} answer @returns {Map<string, Float32Array>} */
export function vectorsOf({ data, call }) {
  const words = /** @type {any} */ (call.body).input;
  const unknown = new Set(data.lectern?.unknown ?? []);
  return new Map(data.data.filter((/** @type {any} */ each) => !unknown.has(each.index))
    .map((/** @type {any} */ each) => [words[each.index], decodeFloat32(each.embedding)]));
}

/** The words of an answer to `vectorsCall` that are not in the vocabulary, and have vectors composed of their n-grams.
 * @param {import('../../server/types.js').Answer} answer @returns {Set<string>} */
export const composedOf = ({ data, call }) => new Set((data.lectern?.composed ?? [])
  .map((/** @type {number} */ index) => /** @type {any} */ (call.body).input[index]));

/** @param {ArrayLike<number>} a @param {ArrayLike<number>} b */
export function dot(a, b) {
  let sum = 0;
  for (let index = 0; index < a.length; index += 1) sum += a[index] * b[index];
  return sum;
}

/** a + factor * b. @param {Float32Array} a @param {Float32Array} b @param {number} factor */
export const plus = (a, b, factor = 1) => a.map((value, index) => value + factor * b[index]);

/** @param {Float32Array} a */
export function unit(a) {
  const length = Math.hypot(...a) || 1;
  return a.map((value) => value / length);
}

/** The first principal components of vectors, and their coordinates.
 * @param {Float32Array[]} vectors [N, D], at least two @param {number} count of components
 * @returns {{ coordinates: number[][], project: (vector: Float32Array) => number[] }} coordinates: [N, count] */
export function pca(vectors, count) {
  const size = vectors[0].length;
  const mean = new Float32Array(size);
  for (const vector of vectors) vector.forEach((value, index) => { mean[index] += value / vectors.length; });
  const centered = vectors.map((vector) => plus(vector, mean, -1));
  /** @type {Float32Array[]} */
  const axes = [];
  for (let component = 0; component < count; component += 1) {
    // Power iteration; begun at the longest vector, so that the same words always give the same picture.
    let axis = centered.reduce((a, b) => (dot(rest(a, axes), rest(a, axes)) >= dot(rest(b, axes), rest(b, axes)) ? a : b));
    axis = unit(rest(axis, axes));
    for (let step = 0; step < 200; step += 1) {
      const next = new Float32Array(size);
      for (const vector of centered) {
        const share = dot(vector, axis);
        for (let index = 0; index < size; index += 1) next[index] += share * vector[index];
      }
      axis = unit(rest(next, axes));
    }
    axes.push(axis);
  }
  const project = (/** @type {Float32Array} */ vector) => axes.map((axis) => dot(plus(vector, mean, -1), axis));
  return { coordinates: vectors.map(project), project };
}

/** What of a vector is perpendicular to axes. @param {Float32Array} vector @param {Float32Array[]} axes */
const rest = (vector, axes) => axes.reduce((left, axis) => plus(left, axis, -dot(left, axis)), vector);
