/** Numbers over time, epochs and the like as lines. */
import { html } from '../vendor/preact.js';
import { three } from './numbers.js';

const LEFT = 60;
const TOP = 8;
const BOTTOM = 22;
const RIGHT = 8;
const COLORS = ['--c0', '--c1', '--c2', '--c3', '--c4', '--c5', '--c6', '--c7', '--c8', '--c9'];
const DASHES = ['none', '6 3', '2 3', '8 3 2 3'];

/** @typedef {{ name: string, x: number[], y: number[] }} Line of as many x as y, x rising; the line has a gap at a y of NaN */

/** @param {{ lines: Line[], label: string, format?: (value: number) => string, formatX?: (value: number) => string,
 *     width?: number, height?: number, fromZero?: boolean, domain?: [number, number] }} props
 *     width, height: of the drawing, whose text has 12 of these units. fromZero: the axis of y begins at 0. domain: of x;
 *     by default that of the lines */
export function LinePlot({ lines, label, format = three, formatX = three, width = 320, height = 128, fromZero = false, domain }) {
  const xs = lines.flatMap(({ x }) => x);
  const ys = lines.flatMap(({ y }) => y).filter(Number.isFinite);
  const [left, right] = domain ?? [least(xs), most(xs)];
  const low = fromZero || !ys.length ? 0 : least(ys);
  const high = ys.length ? most(ys) : 1;
  const span = high - low || Math.abs(high) || 1;
  const atX = (/** @type {number} */ x) => LEFT + ((x - left) / (right - left || 1)) * (width - LEFT - RIGHT);
  const atY = (/** @type {number} */ y) => height - BOTTOM - ((y - low) / span) * (height - BOTTOM - TOP);
  const last = (/** @type {Line} */ { y }) => format(y.findLast(Number.isFinite) ?? NaN);
  return html`
    <figure class="line-plot">
      <figcaption><span class="title">${label}</span>
        ${lines.map((line, index) => html`
          <span key=${line.name} class="key"><svg viewBox="0 0 24 8" aria-hidden="true"><path d="M1 4H23" style=${strokeOf(index)} /></svg>
            ${line.name} <strong>${last(line)}</strong></span>`)}</figcaption>
      <svg viewBox="0 0 ${width} ${height}" role="img" aria-label=${`${label}: ${lines.map((line) => `${line.name}, last ${last(line)}`).join('; ')}`}>
        <path class="axis" d=${`M${LEFT} ${atY(low)}H${width - RIGHT}M${LEFT} ${atY(low + span)}H${width - RIGHT}`} />
        <text class="y" x=${LEFT - 6} y=${atY(low) + 4}>${format(low)}</text>
        <text class="y" x=${LEFT - 6} y=${atY(low + span) + 4}>${format(low + span)}</text>
        <text x=${LEFT} y=${height - 6}>${formatX(left)}</text>
        <text class="end" x=${width - RIGHT} y=${height - 6}>${formatX(right)}</text>
        ${lines.map(({ name, x, y }, index) => html`
          <path key=${name} class="line" style=${strokeOf(index)} d=${pathOf(x.map(atX), y.map(atY))} />`)}
      </svg>
    </figure>`;
}

/** @param {number} index */
const strokeOf = (index) => ({ stroke: `var(${COLORS[index % COLORS.length]})`, strokeDasharray: DASHES[index % DASHES.length] });

/** The path through points; a lone one is a dot. @param {number[]} x @param {number[]} y */
function pathOf(x, y) {
  let path = '';
  for (let index = 0; index < x.length; index += 1) {
    if (!Number.isFinite(y[index])) continue;
    const point = `${x[index].toFixed(1)} ${y[index].toFixed(1)}`;
    path += index && Number.isFinite(y[index - 1]) ? `L${point}` : `M${point}l0 0`;
  }
  return path;
}

// Long lists are no arguments of Math.min.
/** @param {number[]} values */
const least = (values) => values.reduce((a, b) => Math.min(a, b), values[0] ?? 0);
/** @param {number[]} values */
const most = (values) => values.reduce((a, b) => Math.max(a, b), values[0] ?? 1);
