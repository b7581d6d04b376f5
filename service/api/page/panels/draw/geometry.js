/** What a unit looks at in the layers before it.
 *
 * @typedef {import('../../server/arrays.js').Encoded} Encoded
 * @typedef {{ name: string, kind: string, activation: string, kernel?: [number, number], stride?: [number, number],
 *     padding?: [number, number], bias?: Encoded } & Partial<Encoded>} LayerWeights of GET /v1/models/{model}/weights
 * @typedef {{ top: number, left: number, bottom: number, right: number }} Box in units of a map; bottom and right included
 */

/** The part of the layer before that a box of a layer was made of; null: all of it.
 * @param {Box} box @param {LayerWeights} layer @param {number[]} before shape of the layer before @returns {Box | null} */
export function seenBy(box, { kernel, stride, padding = [0, 0] }, before) {
  if (!kernel || !stride || before.length < 2) return null;
  const [height, width] = before.slice(-2);
  return {
    top: Math.max(0, box.top * stride[0] - padding[0]),
    left: Math.max(0, box.left * stride[1] - padding[1]),
    bottom: Math.min(height - 1, box.bottom * stride[0] - padding[0] + kernel[0] - 1),
    right: Math.min(width - 1, box.right * stride[1] - padding[1] + kernel[1] - 1),
  };
}

/** The patches of all layers before a unit that it depends on, by layer; index 0 is the input.
 * @param {number} at index of the unit's layer @param {Box} box the unit
 * @param {LayerWeights[]} layers @param {number[][]} shapes of the input, then of each layer
 * @returns {Map<number, Box>} by index into `shapes`; a layer that it sees as a whole is not in it */
export function receptiveField(at, box, layers, shapes) {
  const fields = new Map([[at + 1, box]]);
  let here = /** @type {Box | null} */ (box);
  for (let layer = at; layer >= 0 && here; layer -= 1) {
    here = seenBy(here, layers[layer], shapes[layer]);
    if (here) fields.set(layer, here);
  }
  return fields;
}

/** The values of a patch and the kernel over it, row by row, for one map of the layer before; 0 in the padding.
 * @param {import('../../server/arrays.js').Decoded} before @param {number} map of the layer before
 * @param {number} row @param {number} column of the unit @param {LayerWeights} layer
 * @returns {number[][]} [kernel height][kernel width] */
export function patchOf(before, map, row, column, { kernel = [1, 1], stride = [1, 1], padding = [0, 0] }) {
  const [height, width] = before.shape.slice(-2);
  return Array.from({ length: kernel[0] }, (_, down) => Array.from({ length: kernel[1] }, (__, right) => {
    const y = row * stride[0] - padding[0] + down;
    const x = column * stride[1] - padding[1] + right;
    return y < 0 || x < 0 || y >= height || x >= width ? 0 : before.values[(map * height + y) * width + x];
  }));
}
