/** Names with bars and numbers, the longest first as they come. */
import { html } from '../vendor/preact.js';
import { percent } from './numbers.js';

/** @typedef {{ name: string, value: number, color?: string, shown?: any }} Bar color: a custom property such as --c3.
 *     shown: what is shown of the name, where that is not the name alone */

/** @param {{ bars: Bar[], min?: number, max?: number, best?: string, format?: (value: number) => string, label: string,
 *     onChoose?: (name: string) => void, chosen?: string | null, hint?: (name: string) => string }} props
 *     min, max: the values at the ends of the track; bars begin at 0, and go to the left below it. best: the name that is
 *     emphasized. onChoose: makes buttons of the names. chosen: the name whose button is pressed; null: none is, but one can be.
 *     hint: what choosing a name shows */
export function Bars({ bars, min = 0, max = 1, best, format = percent, label, onChoose, chosen, hint }) {
  const span = max - min || 1;
  const toPercent = (/** @type {number} */ value) => Math.max(0, Math.min(1, (value - min) / span)) * 100;
  return html`
    <div class="bars" role="table" aria-label=${label}>
      ${bars.map(({ name, value, color, shown = name }) => html`
        <div key=${name} role="row" class=${name === best ? 'row best' : 'row'}>
          <span role="cell">${onChoose
    ? html`<button type="button" class="name" title=${hint?.(name)} aria-pressed=${chosen === undefined ? undefined : chosen === name} onClick=${() => onChoose(name)}>${shown}</button>`
    : html`<span class="name">${shown}</span>`}</span>
          <span role="presentation" class=${min < 0 ? 'track signed' : 'track'} style=${min < 0 ? { '--zero': `${toPercent(0)}%` } : {}}><span class="bar" style=${{
    '--share': `${Math.abs(toPercent(value) - toPercent(0))}%`, ...(min < 0 ? { '--from': `${Math.min(toPercent(value), toPercent(0))}%` } : {}),
    ...(color ? { background: `var(${color})` } : {}),
  }}></span></span>
          <span role="cell" class="value">${format(value)}</span>
        </div>`)}
    </div>`;
}
