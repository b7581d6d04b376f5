/** What a model is made of: its graphs as boxes with shapes, and as a table. */
import { Problem } from '../../components/problem.js';
import { shortened } from '../../components/text.js';
import { useAnswer } from '../../server/use_answer.js';
import { html, useEffect, useMemo, useRef, useState } from '../../vendor/preact.js';
import { WIDTH, layOut } from './layout.js';

/** @typedef {import('./layout.js').Graph} Graph @typedef {import('./layout.js').GraphNode} GraphNode
 * @typedef {import('./layout.js').Box} Box */

const HEIGHT = 52;
const ROW = HEIGHT + 26;
const LINE = 15;
/** Characters that fit into a line of a box. */
const LINE_LENGTH = 23;
/** Smaller lists, such as the sizes that Reshape takes, are not shown as weights. */
const MIN_WEIGHTS = 16;

/** @param {import('../../server/types.js').Model} model */
export const graphCall = (model) => ({ path: `v1/models/${encodeURIComponent(model.id)}/graph`, query: { version: model.version } });

/** @param {{ server: import('../../server/client.js').Server, model: import('../../server/types.js').Model }} props */
export function Graphs({ server, model }) {
  const state = useAnswer(server, graphCall(model));
  const [name, setName] = useState('');
  /** @type {Graph[]} */
  const graphs = state.answer?.data.model === model.id ? state.answer.data.graphs : [];
  const graph = graphs.find((each) => each.name === name) ?? graphs[0];
  if (state.error?.status === 404) return html`<p class="caption">This server does not say what its models are made of.</p>`;
  return html`
    <div class="stack">
      <${Problem} state=${state} />
      ${state.slow && html`<p class="waiting" role="status">Reading the graph of ${model.id} …</p>`}
      ${graphs.length > 1 && html`<div class="buttons" role="group" aria-label="Graph">${graphs.map((each) => html`
        <button key=${each.name} type="button" class="button" aria-pressed=${each === graph} onClick=${() => setName(each.name)}>${each.name}</button>`)}</div>`}
      ${!graph && !state.error && html`<div class="graph awaited"></div>`}
      ${graph && html`
        <p class="caption">${count(graph.nodes.length, 'node')} and ${count(graph.parameters, 'number')} in its weights, as it was exported, from
          inputs to outputs. A box says its operator, the shape of its weights, and, after the arrow, that of its output. N is a size that
          the input decides.</p>
        <${Drawing} key=${graph.name} graph=${graph} label="Graph ${graph.name} of ${model.id}" />
        <details><summary>The graph as a table</summary><${NodeTable} graph=${graph} /></details>`}
    </div>`;
}

/** @param {{ graph: Graph, label: string }} props */
function Drawing({ graph, label }) {
  const { rows, width } = useMemo(() => layOut(graph), [graph]);
  const height = rows.length * ROW - ROW + HEIGHT;
  const boxes = rows.flat();
  const region = useRef(/** @type {HTMLElement | null} */ (null));
  useEffect(() => {
    // A graph that is wider than its region begins at its inputs.
    const element = region.current;
    const [first] = rows[0];
    if (element) element.scrollLeft = (first.x / width) * element.scrollWidth - element.clientWidth / 2;
  }, [rows]);
  return html`
    <div ref=${region} class="graph" tabindex="0" role="region" aria-label=${label}>
      <svg viewBox="-2 -2 ${width + 4} ${height + 4}" style=${{ width: `${(width + 4) / 16}rem` }} role="img"
        aria-label="${label}: ${graph.nodes.map(({ operator }) => operator).join(', ')}">
        ${boxes.flatMap((box, index) => box.below.map((next, each) => html`<path key=${`${index} ${each}`} class="flow" d=${lineOf(box, next)} />`))}
        ${boxes.map((box, index) => (box.kind === 'dummy'
    ? html`<path key=${index} class="flow" d=${`M${box.x} ${box.row * ROW}v${HEIGHT}`} />`
    : html`<${Node} key=${index} box=${box} graph=${graph} />`))}
      </svg>
    </div>`;
}

/** @param {{ box: Box, graph: Graph }} props */
function Node({ box, graph }) {
  const isNode = box.kind === 'node';
  const node = /** @type {GraphNode} */ (box.of);
  const tensor = /** @type {import('./layout.js').Tensor} */ (box.of);
  const weights = isNode ? shownWeights(node) : [];
  const lines = (isNode ? [node.operator, weights.map(({ shape }) => shapeOf(shape)).join(', '), outputsOf(node, graph)]
    : [tensor.name, box.kind, `${shapeOf(tensor.shape)} ${tensor.datatype}`]).filter(Boolean);
  const top = (HEIGHT - LINE * lines.length) / 2 + 0.75 * LINE;
  return html`
    <g class=${`box ${box.kind}${weights.length ? ' weighty' : ''}`} transform=${`translate(${box.x - WIDTH / 2} ${box.row * ROW})`}>
      <title>${isNode ? `${node.operator}: ${node.inputs.join(', ') || 'weights alone'} → ${node.outputs.join(', ')}${settingsOf(node)}` : tensor.name}</title>
      <rect width=${WIDTH} height=${HEIGHT} rx="6" />
      ${lines.map((line, index) => html`<text key=${index} x=${WIDTH / 2} y=${top + LINE * index} class=${index ? '' : 'name'}>${shortened(line, LINE_LENGTH)}</text>`)}
    </g>`;
}

/** @param {{ graph: Graph }} props */
function NodeTable({ graph }) {
  return html`
    <div class="table-scroll" tabindex="0" role="region" aria-label="Nodes of the graph ${graph.name}">
      <table><thead><tr><th scope="col">Operator</th><th scope="col">Inputs</th><th scope="col">Outputs</th><th scope="col">Weights</th>
        <th scope="col" class="number">Numbers</th><th scope="col">Settings</th></tr></thead>
        <tbody>${graph.nodes.map((node, index) => html`
          <tr key=${index}><th scope="row">${node.operator}</th><td>${node.inputs.join(', ')}</td>
            <td>${node.outputs.map((name) => (graph.shapes[name] ? `${name} ${shapeOf(graph.shapes[name])}` : name)).join(', ')}</td>
            <td>${node.weights.map(({ name, shape }) => `${name} ${shapeOf(shape)}`).join(', ')}</td>
            <td class="number">${node.parameters.toLocaleString('en')}</td><td>${settingsOf(node).replace('; ', '')}</td></tr>`)}</tbody>
      </table></div>`;
}

/** @param {number[]} shape -1: a size that varies */
const shapeOf = (shape) => (shape.length ? shape.map((size) => (size < 0 ? 'N' : size)).join('×') : 'a number');

/** What a box shows: matrices and larger arrays, or else long lists. @param {GraphNode} node */
function shownWeights({ weights }) {
  const matrices = weights.filter(({ shape }) => shape.length > 1);
  return matrices.length ? matrices : weights.filter(({ shape }) => shape.length && shape[0] >= MIN_WEIGHTS);
}

/** @param {GraphNode} node @param {Graph} graph */
function outputsOf(node, graph) {
  const shapes = node.outputs.map((name) => graph.shapes[name]).filter(Boolean);
  return shapes.length ? `→ ${shapes.map(shapeOf).join(', ')}` : '';
}

/** @param {GraphNode} node */
function settingsOf({ attributes }) {
  const settings = Object.entries(attributes).map(([name, value]) => `${name} ${Array.isArray(value) ? value.join('×') : value}`);
  return settings.length ? `; ${settings.join(', ')}` : '';
}

/** @param {Box} from @param {Box} to */
function lineOf(from, to) {
  const top = from.row * ROW + HEIGHT;
  const bottom = to.row * ROW;
  const middle = (top + bottom) / 2;
  return `M${from.x} ${top}C${from.x} ${middle} ${to.x} ${middle} ${to.x} ${bottom}`;
}

/** @param {number} number @param {string} noun */
const count = (number, noun) => `${number.toLocaleString('en')} ${noun}${number === 1 ? '' : 's'}`;
