/** Places the nodes of a graph in rows from inputs to outputs (Sugiyama, Tagawa and Toda 1981).
 *
 * @typedef {object} GraphNode as the server describes it
 * @property {string} operator
 * @property {string} name
 * @property {string[]} inputs
 * @property {string[]} outputs
 * @property {{ name: string, shape: number[] }[]} weights
 * @property {number} parameters
 * @property {Record<string, any>} attributes
 *
 * @typedef {{ name: string, datatype: string, shape: number[] }} Tensor
 * @typedef {{ name: string, inputs: Tensor[], outputs: Tensor[], nodes: GraphNode[], shapes: Record<string, number[]>,
 *     parameters: number }} Graph
 *
 * @typedef {object} Box
 * @property {'input' | 'node' | 'output' | 'dummy'} kind dummy: where an edge passes a row
 * @property {GraphNode | Tensor | null} of
 * @property {number} row
 * @property {number} x of its middle
 * @property {Box[]} above what flows into it
 * @property {Box[]} below
 */

export const WIDTH = 148;
const DUMMY_WIDTH = 12;
const GAP = 14;
const SWEEPS = 8;

/** @param {Graph} graph @returns {{ rows: Box[][], width: number }} dummies among the boxes; width of the whole */
export function layOut(graph) {
  const boxes = connect(graph);
  assignRows(boxes);
  const rows = insertDummies(boxes);
  for (let sweep = 0; sweep < SWEEPS; sweep += 1) reduceCrossings(rows, sweep % 2 ? 'below' : 'above');
  rows.forEach((row) => spread(row, row.map((_, index) => index)));
  for (let sweep = 0; sweep < 3 * SWEEPS; sweep += 1) align(rows, sweep % 2 ? 'below' : 'above');
  const left = Math.min(...rows.flat().map((box) => box.x - widthOf(box) / 2));
  rows.flat().forEach((box) => { box.x -= left; });
  return { rows, width: Math.max(...rows.flat().map((box) => box.x + widthOf(box) / 2)) };
}

/** Boxes for inputs, nodes and outputs in the order in which they run, joined by what flows. @param {Graph} graph */
function connect({ inputs, outputs, nodes }) {
  /** @type {Map<string, Box>} */
  const makers = new Map();
  /** @type {Box[]} */
  const boxes = [];
  const add = (/** @type {Box['kind']} */ kind, /** @type {Box['of']} */ of, /** @type {string[]} */ takes, /** @type {string[]} */ makes) => {
    const above = [...new Set(takes.map((name) => makers.get(name)).filter((box) => box !== undefined))];
    /** @type {Box} */
    const box = { kind, of, row: 0, x: 0, above, below: [] };
    above.forEach((maker) => maker.below.push(box));
    makes.forEach((name) => makers.set(name, box));
    boxes.push(box);
  };
  inputs.forEach((tensor) => add('input', tensor, [], [tensor.name]));
  nodes.forEach((node) => add('node', node, node.inputs, node.outputs));
  outputs.forEach((tensor) => add('output', tensor, [tensor.name], []));
  return boxes;
}

/** A box is below all that flows into it; what nothing flows into is right above its first use. @param {Box[]} boxes */
function assignRows(boxes) {
  for (const box of boxes) box.row = box.above.reduce((row, each) => Math.max(row, each.row + 1), 0);
  for (const box of [...boxes].reverse()) {
    if (!box.above.length && box.below.length) box.row = Math.min(...box.below.map(({ row }) => row)) - 1;
  }
  const first = Math.min(...boxes.map(({ row }) => row));
  boxes.forEach((box) => { box.row -= first; });
}

/** Edges that pass rows get a dummy node in each of them; those of the same box share it. @param {Box[]} boxes */
function insertDummies(boxes) {
  /** @type {Box[][]} */
  const rows = Array.from({ length: Math.max(...boxes.map(({ row }) => row)) + 1 }, () => []);
  boxes.forEach((box) => rows[box.row].push(box));
  for (const box of boxes) {
    const far = box.below.filter(({ row }) => row > box.row + 1);
    box.below = box.below.filter(({ row }) => row === box.row + 1);
    let last = box;
    for (let row = box.row + 1; far.some((each) => each.row > row); row += 1) {
      /** @type {Box} */
      const next = { kind: 'dummy', of: null, row, x: 0, above: [last], below: far.filter((each) => each.row === row + 1) };
      last.below.push(next);
      next.below.forEach((each) => { each.above = each.above.map((maker) => (maker === box ? next : maker)); });
      rows[row].push(next);
      last = next;
    }
  }
  return rows;
}

/** Order each row by where its neighbors are, so that fewer lines cross. @param {Box[][]} rows @param {'above' | 'below'} side */
function reduceCrossings(rows, side) {
  const ordered = side === 'above' ? rows : [...rows].reverse();
  ordered.forEach((row, number) => {
    const neighbors = ordered[number - 1];
    if (!neighbors) return;
    const at = new Map(neighbors.map((box, index) => [box, index / neighbors.length]));
    const keys = new Map(row.map((box, index) => [box, mean(box[side].map((each) => at.get(each) ?? 0)) ?? index / row.length]));
    row.sort((a, b) => (keys.get(a) ?? 0) - (keys.get(b) ?? 0));
  });
}

/** Move boxes towards the middle of their neighbors. @param {Box[][]} rows @param {'above' | 'below'} side */
function align(rows, side) {
  for (const row of side === 'above' ? rows : [...rows].reverse()) {
    spread(row, row.map((box) => mean(box[side].map(({ x }) => x)) ?? box.x));
  }
}

/** Set x as near to what is wished as the widths allow. @param {Box[]} row @param {number[]} wished */
function spread(row, wished) {
  const apart = (/** @type {number} */ index) => (widthOf(row[index - 1]) + widthOf(row[index])) / 2 + GAP;
  const [right, left] = [[...wished], [...wished]];
  for (let index = 1; index < row.length; index += 1) right[index] = Math.max(right[index], right[index - 1] + apart(index));
  for (let index = row.length - 1; index > 0; index -= 1) left[index - 1] = Math.min(left[index - 1], left[index] - apart(index));
  row.forEach((box, index) => { box.x = (left[index] + right[index]) / 2; });
}

/** @param {Box} box */
const widthOf = (box) => (box.kind === 'dummy' ? DUMMY_WIDTH : WIDTH);

/** @param {number[]} values */
const mean = (values) => (values.length ? values.reduce((a, b) => a + b, 0) / values.length : undefined);
