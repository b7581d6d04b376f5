/** A matrix as colors, with words at the sides. It is a table, so it can be read without colors too. */
import { html, useState } from '../vendor/preact.js';
import { three } from './numbers.js';
import { cividis, diverging as twoSided } from './scales.js';

/** @param {{ rows: string[], columns: string[], values: number[][], label: string, diverging?: boolean,
 *     format?: (value: number) => string, onPoint?: (row: number | null, column: number | null) => void,
 *     pointed?: [number | null, number | null] }} props
 *     values: [row][column]; NaN is drawn empty. diverging: colors on both sides of zero. onPoint: hears what the pointer
 *     or the keyboard is at. pointed: a row, a column, or both, to be emphasized */
export function Heatmap({ rows, columns, values, label, diverging = false, format = three, onPoint = () => {}, pointed = [null, null] }) {
  const finite = values.flat().filter(Number.isFinite);
  const top = Math.max(1e-9, ...finite.map(Math.abs));
  const [at, setAt] = useState(/** @type {[number, number] | null} */ (null));
  const point = (/** @type {number} */ row, /** @type {number} */ column) => {
    setAt([row, column]);
    onPoint(row, column);
  };
  const leave = () => {
    setAt(null);
    onPoint(null, null);
  };
  const [row, column] = at ?? pointed;
  return html`
    <figure class="heatmap">
      <div class="table-scroll" tabindex="0" role="region" aria-label=${label}>
        <table onMouseLeave=${leave}>
          <caption class="hidden-text">${label}</caption>
          <thead><tr><td></td>${columns.map((name, each) => html`
            <th key=${each} scope="col" class=${each === column ? 'at' : ''}><span>${name}</span></th>`)}</tr></thead>
          <tbody>${values.map((line, y) => html`
            <tr key=${y}><th scope="row" class=${y === row ? 'at' : ''}>${rows[y]}</th>
              ${line.map((value, x) => html`
                <td key=${x} style=${{ background: Number.isFinite(value) ? (diverging ? twoSided(value / top) : cividis(value / top)) : 'transparent' }}
                  title="${rows[y]} – ${columns[x]}: ${format(value)}" onMouseEnter=${() => point(y, x)}>
                  <span class="hidden-text">${format(value)}</span></td>`)}</tr>`)}</tbody>
        </table>
      </div>
      <figcaption class="caption">${at ? `${rows[at[0]]} – ${columns[at[1]]}: ${format(values[at[0]][at[1]])}`
    : `${diverging ? `Blue is below zero, orange above; the strongest is ${format(top)}.` : `Dark is 0, light ${format(top)}.`}`}</figcaption>
    </figure>`;
}
