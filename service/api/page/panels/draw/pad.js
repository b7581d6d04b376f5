/** The paper that one draws on: with mouse, pen, finger, or the arrow keys. */
import { html, useLayoutEffect, useRef, useState } from '../../vendor/preact.js';
import { compose, sizeOf } from './picture.js';
import { PAD, extended } from './strokes.js';

/** @typedef {import('./strokes.js').Stroke} Stroke */
/** @typedef {import('./strokes.js').Point} Point */

/** How far an arrow key moves the pen, in pixels of the pad. */
const KEY_STEP = 8;
/** @type {Record<string, [number, number]>} */
const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

/** @param {{ source: import('./picture.js').Source, isExample: boolean, width: number, erases: boolean, parts: Part[],
 *     note: string | null, onStrokes: (strokes: Stroke[], finished: boolean) => void }} props
 *     isExample: a pen begins a new figure in its place. width: of the pen. parts: figures that were found, to be outlined. note: what stands on empty paper.
 *     onStrokes: hears every change
 * @typedef {{ x: number, y: number, width: number, height: number }} Part in pixels of the picture */
export function Pad({ source, isExample, width, erases, parts, note, onStrokes }) {
  const canvas = useRef(/** @type {HTMLCanvasElement | null} */ (null));
  /** The stroke under way, and those before it. */
  const drawing = useRef(/** @type {{ before: Stroke[], stroke: Stroke } | null} */ (null));
  const [pen, setPen] = useState(/** @type {Point & { isDown: boolean } | null} */ (null));

  // Before the next frame, which then has the ink that the pen left.
  useLayoutEffect(() => void (canvas.current && compose(canvas.current, source)), [source]);

  const begin = (/** @type {Point} */ point) => {
    const before = isExample && !erases ? [] : source.strokes;
    drawing.current = { before, stroke: { points: [point], width, erases } };
    onStrokes([...before, drawing.current.stroke], false);
  };
  const go = (/** @type {Point[]} */ points) => {
    if (!drawing.current) return;
    const { before, stroke } = drawing.current;
    const longer = points.reduce(extended, stroke);
    if (longer === stroke) return;
    drawing.current.stroke = longer;
    onStrokes([...before, longer], false);
  };
  const end = () => {
    if (!drawing.current) return;
    const { before, stroke } = drawing.current;
    drawing.current = null;
    onStrokes([...before, stroke], true);
  };

  const pointOf = (/** @type {PointerEvent} */ event) => {
    const box = /** @type {HTMLCanvasElement} */ (canvas.current).getBoundingClientRect();
    return { x: ((event.clientX - box.left) / box.width) * PAD, y: ((event.clientY - box.top) / box.height) * PAD };
  };
  const onPointerDown = (/** @type {PointerEvent} */ event) => {
    if (event.button !== 0) return;
    /** @type {HTMLCanvasElement} */ (canvas.current).setPointerCapture(event.pointerId);
    setPen(null);
    begin(pointOf(event));
  };
  const onPointerMove = (/** @type {PointerEvent} */ event) => {
    if (!drawing.current || pen) return;
    const all = event.getCoalescedEvents?.() ?? [];
    go((all.length ? all : [event]).map(pointOf));
  };

  const onKeyDown = (/** @type {KeyboardEvent} */ event) => {
    const at = pen ?? { x: PAD / 2, y: PAD / 4, isDown: false };
    if (event.key === ' ') {
      event.preventDefault();
      if (at.isDown) end();
      else begin({ x: at.x, y: at.y });
      setPen({ ...at, isDown: !at.isDown });
    } else if (ARROWS[event.key]) {
      event.preventDefault();
      const [right, down] = ARROWS[event.key];
      const next = { ...at, x: clamped(at.x + right * KEY_STEP), y: clamped(at.y + down * KEY_STEP) };
      if (next.isDown) go([{ x: next.x, y: next.y }]);
      setPen(next);
    } else if (event.key === 'Escape' && pen) {
      end();
      setPen(null);
    }
  };
  const onBlur = () => { end(); setPen(null); };

  const size = sizeOf(source);
  return html`
    <div class="pad" style=${{ '--ratio': `${size.width} / ${size.height}` }}>
      <canvas ref=${canvas} tabindex="0" role="img" aria-label="Paper to draw on" aria-describedby="pad-keys"
        onPointerDown=${onPointerDown} onPointerMove=${onPointerMove} onPointerUp=${end} onPointerCancel=${end}
        onKeyDown=${onKeyDown} onBlur=${onBlur}></canvas>
      <span id="pad-keys" class=${pen ? 'keys' : 'keys shown'}>With the keyboard: the arrow keys move the pen, the space bar puts it down
        and lifts it, Escape puts it away.</span>
      ${note && html`<span class="note" role="status">${note}</span>`}
      ${parts.map((part, index) => html`<span key=${index} class="part" style=${{
    left: `${(part.x / size.width) * 100}%`, top: `${(part.y / size.height) * 100}%`,
    width: `${(part.width / size.width) * 100}%`, height: `${(part.height / size.height) * 100}%`,
  }}></span>`)}
      ${pen && html`<span class=${pen.isDown ? 'pen down' : 'pen'} style=${{ left: `${(pen.x / PAD) * 100}%`, top: `${(pen.y / PAD) * 100}%` }}></span>`}
    </div>`;
}

/** @param {number} value */
const clamped = (value) => Math.max(0, Math.min(PAD, value));
