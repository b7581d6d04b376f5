/** Names with bars and numbers, the longest first as they come. */
import { html } from '../vendor/preact.js';
import { percent } from './numbers.js';

/** @typedef {{ name: string, value: number, color?: string }} Bar color: a custom property such as --c3 */

/** @param {{ bars: Bar[], max?: number, best?: string, format?: (value: number) => string, label: string,
 *     onChoose?: (name: string) => void, chosen?: string | null, hint?: (name: string) => string }} props
 *     max: the value of a full bar. best: the name that is emphasized. onChoose: makes buttons of the names. chosen: the name whose
 *     button is pressed; null: none is, but one can be. hint: what choosing a name shows */
export function Bars({ bars, max = 1, best, format = percent, label, onChoose, chosen, hint }) {
  return html`
    <div class="bars" role="table" aria-label=${label}>
      ${bars.map(({ name, value, color }) => html`
        <div key=${name} role="row" class=${name === best ? 'row best' : 'row'}>
          <span role="cell">${onChoose
    ? html`<button type="button" class="name" title=${hint?.(name)} aria-pressed=${chosen === undefined ? undefined : chosen === name} onClick=${() => onChoose(name)}>${name}</button>`
    : html`<span class="name">${name}</span>`}</span>
          <span role="presentation" class="track"><span class="bar" style=${{
    '--share': `${Math.max(0, Math.min(1, value / max)) * 100}%`, ...(color ? { background: `var(${color})` } : {}),
  }}></span></span>
          <span role="cell" class="value">${format(value)}</span>
        </div>`)}
    </div>`;
}
