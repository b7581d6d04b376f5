/** One unit: the patch that it looked at, times its kernel, is its sum. */
import { three } from '../../components/numbers.js';
import { decodeArray } from '../../server/arrays.js';
import { html, useMemo, useState } from '../../vendor/preact.js';
import { FeatureMap } from './feature_map.js';
import { patchOf } from './geometry.js';

/** @typedef {import('../../server/arrays.js').Decoded} Decoded */
/** @typedef {import('./geometry.js').LayerWeights} LayerWeights */
/** @typedef {import('./network.js').UnitAddress} UnitAddress */

/** Terms of a sum over a whole layer that are listed. */
const MAX_LISTED = 10;

/** @param {{ at: UnitAddress, layers: LayerWeights[], arrays: Decoded[], input: Decoded, labels: string[],
 *     onAt: (at: UnitAddress) => void, onClose: () => void }} props */
export function Unit({ at, layers, arrays, input, labels, onAt, onClose }) {
  const layer = layers[at.layer];
  const array = arrays[at.layer];
  const before = at.layer ? arrays[at.layer - 1] : { ...input, shape: [1, ...input.shape] };
  const isMaps = array.shape.length === 3;
  const [, height, width] = isMaps ? array.shape : [1, 1, array.shape[0]];
  const value = array.values[(at.map * height + at.row) * width + at.column];
  const isLast = at.layer === layers.length - 1;
  const unitLabels = isLast && labels.length === width ? labels : null;
  const name = isMaps ? `${layer.name}, map ${at.map + 1}, row ${at.row + 1}, column ${at.column + 1}`
    : unitLabels ? `${layer.name}, “${unitLabels[at.column]}”` : `${layer.name}, unit ${at.column + 1}`;
  const field = (/** @type {'row' | 'column'} */ axis, /** @type {number} */ count, /** @type {string} */ label) => html`
    <${UnitField} key=${axis} label=${label} count=${count} value=${at[axis]} onValue=${(/** @type {number} */ value) => onAt({ ...at, [axis]: value })} />`;
  const choice = () => (unitLabels ? html`<${LabelField} labels=${unitLabels} value=${at.column} onValue=${(/** @type {number} */ column) => onAt({ ...at, column })} />`
    : field('column', width, 'Unit'));
  return html`
    <section class="unit card stack" aria-label="The sum of a unit">
      <h3>${name}: ${three(value)}</h3>
      <div class="buttons">${isMaps ? html`${field('row', height, 'Row')} ${field('column', width, 'Column')}` : choice()}
        <button type="button" class="button" onClick=${onClose}>Close</button></div>
      ${layer.kind === 'convolution' && html`<${Convolution} at=${at} layer=${layer} before=${before} value=${value} />`}
      ${layer.kind.endsWith('pooling') && html`<${Pooling} at=${at} layer=${layer} before=${before} value=${value} />`}
      ${layer.kind === 'dense' && html`<${Dense} at=${at} layer=${layer} before=${before} value=${value} />`}
      ${!['convolution', 'max-pooling', 'average-pooling', 'dense'].includes(layer.kind) && html`
        <p>How far the layer before is from what stands for this label: the least is the answer.</p>`}
    </section>`;
}

/** A row, column or unit by its number, counted from 1.
 * @param {{ label: string, count: number, value: number, onValue: (value: number) => void }} props value: counted from 0 */
function UnitField({ label, count, value, onValue }) {
  /** What was typed, and the value that stood for it then: another choice takes its place. */
  const [typed, setTyped] = useState({ text: String(value + 1), value });
  const text = typed.value === value ? typed.text : String(value + 1);
  const isThere = (/** @type {number} */ number) => Number.isInteger(number) && number >= 1 && number <= count;
  const onInput = (/** @type {any} */ event) => {
    const number = Number(event.target.value);
    setTyped({ text: event.target.value, value: isThere(number) ? number - 1 : value });
    if (isThere(number)) onValue(number - 1);
  };
  const isWrong = !isThere(Number(text));
  return html`
    <span class="unit-field"><label class="caption">${label} <input type="number" min="1" max=${count} value=${text} aria-invalid=${isWrong} onInput=${onInput} /></label>
      ${isWrong && html` <span class="problem" role="alert">${label}s go from 1 to ${count}; ${value + 1} is shown.</span>`}</span>`;
}

/** A unit of the last layer by its label. @param {{ labels: string[], value: number, onValue: (value: number) => void }} props */
function LabelField({ labels, value, onValue }) {
  return html`
    <label class="caption">Label <select class="select" value=${value} onChange=${(/** @type {any} */ event) => onValue(Number(event.target.value))}>
      ${labels.map((label, index) => html`<option key=${index} value=${index} selected=${index === value}>${label}</option>`)}</select></label>`;
}

/** Why a sum of values is not to the last digit that of the unit. */
const ABOUT = 'About: values come rounded to 256 steps.';

/** @param {{ at: UnitAddress, layer: LayerWeights, before: Decoded, value: number }} props */
function Convolution({ at, layer, before, value }) {
  const weights = useMemo(() => decodeArray(/** @type {any} */ (layer)), [layer]);
  const bias = useMemo(() => (layer.bias ? decodeArray(layer.bias).values : null), [layer]);
  const [, maps, rows, columns] = weights.shape;
  const most = Math.max(Math.abs(weights.min), Math.abs(weights.max));
  let sum = bias?.[at.map] ?? 0;
  const parts = Array.from({ length: maps }, (_, map) => {
    const patch = patchOf(before, map, at.row, at.column, layer);
    const start = ((at.map * maps + map) * rows) * columns;
    const kernel = Array.from({ length: rows }, (__, y) => Array.from(weights.values.subarray(start + y * columns, start + (y + 1) * columns)));
    const products = patch.map((line, y) => line.map((each, x) => each * kernel[y][x]));
    const total = products.flat().reduce((a, b) => a + b, 0);
    sum += total;
    return { patch, kernel, products, total };
  });
  return html`
    <div class="products">${parts.map(({ patch, kernel, products, total }, map) => html`
      <div key=${map} class="product">
        ${parts.length > 1 && html`<span class="caption">map ${map + 1}</span>`}
        <${Small} values=${patch} low=${before.min} high=${before.max} label="Patch of map ${map + 1}" />
        <span aria-hidden="true">×</span>
        <${Small} values=${kernel} low=${-most} high=${most} label="Kernel for map ${map + 1}" signed />
        <span aria-hidden="true">=</span>
        <${Small} values=${products} ...${ends(products)} label="Products of map ${map + 1}" signed />
        <span class="total">${three(total)}</span>
      </div>`)}</div>
    <p>The sum is ${parts.map(({ total }) => three(total)).join(' + ').replaceAll('+ −', '− ')}${bias && ` + ${three(bias[at.map])} (bias)`.replace('+ −', '− ')}
      ${' '}≈ <b>${three(sum)}</b>. ${after(layer, value)} ${ABOUT} Blue is below zero, orange above.</p>`;
}

/** @param {{ at: UnitAddress, layer: LayerWeights, before: Decoded, value: number }} props */
function Pooling({ at, layer, before, value }) {
  const patch = patchOf(before, at.map, at.row, at.column, layer);
  return html`
    <div class="product"><${Small} values=${patch} low=${before.min} high=${before.max} label="Patch" /><span aria-hidden="true">→</span><b>${three(value)}</b></div>
    <p>The ${layer.kind === 'max-pooling' ? 'greatest' : 'mean'} of ${patch.flat().map(three).join(', ')}.</p>`;
}

/** @param {{ at: UnitAddress, layer: LayerWeights, before: Decoded, value: number }} props */
function Dense({ at, layer, before, value }) {
  const weights = useMemo(() => decodeArray(/** @type {any} */ (layer)), [layer]);
  const bias = useMemo(() => (layer.bias ? decodeArray(layer.bias).values : null), [layer]);
  const count = before.values.length;
  const terms = Array.from(before.values, (input, unit) => ({ unit, input, weight: weights.values[at.column * count + unit] }))
    .map((term) => ({ ...term, product: term.input * term.weight }));
  const sum = terms.reduce((total, { product }) => total + product, bias?.[at.column] ?? 0);
  const strongest = [...terms].sort((a, b) => Math.abs(b.product) - Math.abs(a.product)).slice(0, MAX_LISTED);
  return html`
    <div class="table-scroll" tabindex="0" role="region" aria-label="The strongest terms"><table>
      <caption class="hidden-text">The ${strongest.length} strongest of ${count} terms</caption>
      <thead><tr><th scope="col">unit before</th><th scope="col" class="number">its value</th><th scope="col" class="number">× weight</th><th scope="col" class="number">= term</th></tr></thead>
      <tbody>${strongest.map(({ unit, input, weight, product }) => html`
        <tr key=${unit}><td>${unit + 1}</td><td class="number">${three(input)}</td><td class="number">${three(weight)}</td><td class="number">${three(product)}</td></tr>`)}</tbody>
    </table></div>
    <p>The ${strongest.length} strongest of ${count} terms. All terms${bias && ' and the bias'} are about <b>${three(sum)}</b>. ${after(layer, value)} ${ABOUT}</p>`;
}

/** @param {LayerWeights} layer @param {number} value */
const after = ({ activation }, value) => (activation ? `Its activation, ${activation}, makes ${three(value)} of it.` : '');

/** @param {number[][]} values */
function ends(values) {
  const most = Math.max(1e-9, ...values.flat().map(Math.abs));
  return { low: -most, high: most };
}

/** A few numbers as colors, with the numbers themselves for who points at them or reads them.
 * @param {{ values: number[][], low: number, high: number, label: string, signed?: boolean }} props */
function Small({ values, low, high, label, signed = false }) {
  const text = values.map((line) => line.map(three).join(' ')).join('; ');
  return html`<span class="small" title=${text}><${FeatureMap} values=${values.flat()} height=${values.length} width=${values[0].length}
    low=${low} high=${high} signed=${signed} label="${label}: ${text}" /></span>`;
}
