/** A feature map, or another array of two dimensions, as a picture: a pixel a unit. */
import { cividisRgb, divergingRgb, mix, propertyRgb } from '../../components/scales.js';
import { html, useEffect, useRef } from '../../vendor/preact.js';

/** @typedef {import('./geometry.js').Box} Box */

/** Of full ink that lies over a map: both can be seen. */
const OVER_ALPHA = 0.5;

/** @param {{ values: Float32Array | number[], height: number, width: number, low: number, high: number, label: string, signed?: boolean, gray?: boolean, over?: import('../../server/arrays.js').Decoded,
 *     box?: Box | undefined, onPoint?: (unit: [number, number] | null) => void, onChoose?: (unit: [number, number]) => void,
 *     isChosen?: boolean }} props
 *     low, high: the values of the ends of the colors. signed: colors on both sides of zero. gray: black to white. over: ink between 0 and 1, drawn faintly
 *     on top. box: units to be outlined.
 *     onPoint: hears which row and column the pointer is at. onChoose: makes a button of it */
export function FeatureMap({ values, height, width, low, high, label, signed = false, gray = false, over, box, onPoint, onChoose, isChosen = false }) {
  const canvas = useRef(/** @type {HTMLCanvasElement | null} */ (null));
  useEffect(() => void (canvas.current && drawMap(canvas.current, values, height, width, low, high, { signed, gray, over })), [values, height, width, low, high, signed, gray, over]);
  const unitOf = (/** @type {PointerEvent | MouseEvent} */ event) => {
    const area = /** @type {HTMLElement} */ (event.currentTarget).getBoundingClientRect();
    const indexAt = (/** @type {number} */ share, /** @type {number} */ count) => Math.max(0, Math.min(count - 1, Math.floor(share * count)));
    return /** @type {[number, number]} */ ([indexAt((event.clientY - area.top) / area.height, height), indexAt((event.clientX - area.left) / area.width, width)]);
  };
  const content = html`
    <canvas ref=${canvas} role="img" aria-label=${label}></canvas>
    ${box && html`<span class="box" style=${{
    left: `${(box.left / width) * 100}%`, top: `${(box.top / height) * 100}%`,
    width: `${((box.right - box.left + 1) / width) * 100}%`, height: `${((box.bottom - box.top + 1) / height) * 100}%`,
  }}></span>`}`;
  const listeners = onPoint && {
    onPointerMove: (/** @type {PointerEvent} */ event) => onPoint(unitOf(event)),
    onPointerLeave: () => onPoint(null),
  };
  if (!onChoose) return html`<span class="map" ...${listeners ?? {}}>${content}</span>`;
  // A click by the keyboard has no position: the strongest unit is shown.
  const onClick = (/** @type {MouseEvent} */ event) => onChoose(event.detail ? unitOf(event) : strongest(values, width));
  return html`<button type="button" class="map" aria-pressed=${isChosen} title=${label} onClick=${onClick} ...${listeners ?? {}}>${content}</button>`;
}

/** @param {Float32Array | number[]} values @param {number} width @returns {[number, number]} */
function strongest(values, width) {
  let best = 0;
  for (let at = 1; at < values.length; at += 1) if (Math.abs(values[at]) > Math.abs(values[best])) best = at;
  return [Math.floor(best / width), best % width];
}

/** @param {HTMLCanvasElement} canvas @param {Float32Array | number[]} values @param {number} height @param {number} width
 * @param {number} low @param {number} high
 * @param {{ signed: boolean, gray: boolean, over: import('../../server/arrays.js').Decoded | undefined }} look as the props of `FeatureMap` */
function drawMap(canvas, values, height, width, low, high, { signed, gray, over }) {
  canvas.width = width;
  canvas.height = height;
  const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext('2d'));
  const span = high - low || 1;
  const most = Math.max(Math.abs(low), Math.abs(high)) || 1;
  const signedColor = signed ? divergingRgb(canvas) : null;
  /** @type {(share: number) => number[]} */
  const color = gray ? (share) => [255 * share, 255 * share, 255 * share] : cividisRgb;
  const ink = over && propertyRgb(canvas, '--ink');
  const pixels = context.createImageData(width, height);
  for (let at = 0; at < height * width; at += 1) {
    const plain = signedColor ? signedColor(values[at] / most) : color((values[at] - low) / span);
    const mixed = over && ink ? mix(plain, ink, OVER_ALPHA * Math.max(0, Math.min(1, over.values[at]))) : plain;
    pixels.data.set([...mixed, 255], 4 * at);
  }
  context.putImageData(pixels, 0, 0);
}
