/** Sliders that deform the picture, as the lecture shows what LeNet is robust to. */
import { html } from '../../vendor/preact.js';
import { UNCHANGED } from './picture.js';

/** @typedef {import('./picture.js').Deformation} Deformation */

/** @type {{ name: keyof Deformation, label: string, low: number, high: number, step: number, unit: string, drawnOnly?: boolean }[]} */
const SLIDERS = [
  { name: 'rotate', label: 'Rotate', low: -90, high: 90, step: 1, unit: '°' },
  { name: 'right', label: 'Shift right', low: -40, high: 40, step: 1, unit: ' %' },
  { name: 'down', label: 'Shift down', low: -40, high: 40, step: 1, unit: ' %' },
  { name: 'scale', label: 'Scale', low: 25, high: 175, step: 5, unit: ' %' },
  { name: 'thicker', label: 'Thicken', low: -16, high: 30, step: 1, unit: ' px', drawnOnly: true },
  { name: 'noise', label: 'Noise', low: 0, high: 100, step: 5, unit: ' %' },
];

/** The deformation that the address holds. @param {URLSearchParams} query @returns {Deformation} */
export function fromQuery(query) {
  const deformation = { ...UNCHANGED };
  for (const { name, low, high } of SLIDERS) {
    const value = Number(query.get(name) ?? UNCHANGED[name]);
    if (Number.isFinite(value)) deformation[name] = Math.max(low, Math.min(high, value));
  }
  return deformation;
}

/** @param {{ deformation: Deformation, hasImage: boolean, setQuery: import('../../panels.js').PanelProps['setQuery'] }} props */
export function Deformations({ deformation, hasImage, setQuery }) {
  const isChanged = SLIDERS.some(({ name }) => deformation[name] !== UNCHANGED[name]);
  return html`
    <div class="stack">
      <div class="sliders">
        ${SLIDERS.filter(({ drawnOnly }) => !(drawnOnly && hasImage)).map(({ name, label, low, high, step, unit }) => html`
          <label key=${name} class="slider"><span>${label}</span>
            <input type="range" min=${low} max=${high} step=${step} value=${deformation[name]}
              aria-valuetext="${deformation[name]}${unit}"
              onInput=${(/** @type {any} */ event) => {
    const value = Number(event.target.value);
    setQuery({ [name]: value === UNCHANGED[name] ? null : String(value) });
  }} />
            <output>${deformation[name]}${unit}</output></label>`)}
      </div>
      <button type="button" class="button" aria-disabled=${!isChanged}
        onClick=${() => setQuery(Object.fromEntries(SLIDERS.map(({ name }) => [name, null])))}>Undo all of it</button>
    </div>`;
}
