/** A map of words that turns in three dimensions: labels never overlap, there are fewer of them instead, and the answer and what
 * was asked have theirs first.
 *
 * @typedef {{ word: string, at: number[], isAsked: boolean, isAnswer: boolean, isComposed: boolean }} Point
 *     at: two or three coordinates. isAsked: a person entered it. isAnswer: it is the nearest word to what was asked
 */
import { shortened } from '../../components/text.js';
import { html, useEffect, useRef, useState } from '../../vendor/preact.js';

const TURN_PER_PIXEL = 0.008;
const TURN_PER_KEY = 0.12;
const NEAR_PIXELS = 14;
const MARGIN = 36;
/** Characters of a label. */
const LONGEST = 24;
/** How far the eye is from the middle, in radii: a little perspective. */
const EYE = 4;

/** @param {{ points: Point[], dimensions: number, label: string, onChoose: (word: string) => void }} props */
export function WordMap({ points, dimensions, label, onChoose }) {
  const canvas = useRef(/** @type {HTMLCanvasElement | null} */ (null));
  const turn = useRef({ yaw: 0.5, pitch: 0.25 });
  const drag = useRef(/** @type {{ x: number, y: number, moved: boolean } | null} */ (null));
  const [hovered, setHovered] = useState(/** @type {string | null} */ (null));
  const projected = useRef(/** @type {Projected[]} */ ([]));

  const paint = () => {
    if (canvas.current) projected.current = draw(canvas.current, points, dimensions, turn.current, hovered);
  };
  useEffect(() => {
    paint();
    const observer = new ResizeObserver(paint);
    observer.observe(/** @type {Element} */ (canvas.current));
    const scheme = matchMedia('(prefers-color-scheme: dark)');
    scheme.addEventListener('change', paint);
    return () => {
      observer.disconnect();
      scheme.removeEventListener('change', paint);
    };
  }, [points, dimensions, hovered]);

  const at = (/** @type {any} */ event) => {
    const box = event.currentTarget.getBoundingClientRect();
    const [x, y] = [event.clientX - box.left, event.clientY - box.top];
    return projected.current
      .map((point) => ({ point, distance: point.label && inside(point.label, x, y) ? 0 : Math.hypot(point.x - x, point.y - y) }))
      .filter(({ distance }) => distance < NEAR_PIXELS)
      .sort((a, b) => a.distance - b.distance)[0]?.point.word ?? null;
  };
  const rotate = (/** @type {number} */ yaw, /** @type {number} */ pitch) => {
    turn.current.yaw += yaw;
    turn.current.pitch = Math.max(-1.5, Math.min(1.5, turn.current.pitch + pitch));
    requestAnimationFrame(paint);
  };
  /** @type {Record<string, [number, number]>} */
  const keys = { ArrowLeft: [-TURN_PER_KEY, 0], ArrowRight: [TURN_PER_KEY, 0], ArrowUp: [0, -TURN_PER_KEY], ArrowDown: [0, TURN_PER_KEY] };

  return html`
    <canvas ref=${canvas} class=${dimensions === 3 ? 'map turns' : 'map'} role="img" tabindex="0"
      aria-label="${label}${dimensions === 3 ? '. The arrow keys turn it' : ''}"
      onPointerDown=${(/** @type {any} */ event) => {
    drag.current = { x: event.clientX, y: event.clientY, moved: false };
    event.currentTarget.setPointerCapture(event.pointerId);
  }}
      onPointerMove=${(/** @type {any} */ event) => {
    const from = drag.current;
    if (!from) setHovered(at(event));
    else {
      const [x, y] = [event.clientX - from.x, event.clientY - from.y];
      drag.current = { x: event.clientX, y: event.clientY, moved: from.moved || Math.hypot(x, y) > 2 };
      if (dimensions === 3) rotate(x * TURN_PER_PIXEL, y * TURN_PER_PIXEL);
    }
  }}
      onPointerUp=${(/** @type {any} */ event) => {
    const word = drag.current?.moved ? null : at(event);
    drag.current = null;
    if (word) onChoose(word);
  }}
      onPointerLeave=${() => setHovered(null)}
      onKeyDown=${(/** @type {any} */ event) => {
    if (dimensions !== 3 || !(event.key in keys)) return;
    event.preventDefault();
    rotate(...keys[event.key]);
  }}></canvas>`;
}

/** @typedef {{ word: string, x: number, y: number, depth: number, isAsked: boolean, isAnswer: boolean, isComposed: boolean, label: Box | null }} Projected
 * @typedef {{ left: number, top: number, right: number, bottom: number }} Box */

/** @param {HTMLCanvasElement} canvas @param {Point[]} points @param {number} dimensions
 * @param {{ yaw: number, pitch: number }} turn @param {string | null} hovered @returns {Projected[]} in CSS pixels */
function draw(canvas, points, dimensions, turn, hovered) {
  const { width, height } = canvas.getBoundingClientRect();
  const ratio = window.devicePixelRatio || 1;
  canvas.width = Math.round(width * ratio);
  canvas.height = Math.round(height * ratio);
  const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext('2d'));
  const style = getComputedStyle(canvas);
  const color = (/** @type {string} */ name) => style.getPropertyValue(name).trim();
  const rem = parseFloat(getComputedStyle(document.documentElement).fontSize);
  context.scale(ratio, ratio);
  context.textBaseline = 'middle';
  const projected = project(points, dimensions, turn, width, height).sort((a, b) => a.depth - b.depth);
  for (const point of projected) {
    const isMarked = point.isAnswer || point.isAsked;
    context.globalAlpha = isMarked ? 1 : 0.35 + 0.65 * (1 - (point.depth + 1) / 2 * 0.8);
    context.fillStyle = color(point.isAnswer ? '--good' : point.isAsked ? '--c1' : '--accent');
    context.beginPath();
    context.arc(point.x, point.y, (isMarked ? 5 : 3.5) * (rem / 16), 0, 2 * Math.PI);
    context.fill();
  }
  context.globalAlpha = 1;
  /** @type {Box[]} */
  const taken = [];
  const order = [...projected].sort((a, b) => rank(b) - rank(a) || b.depth - a.depth);
  for (const point of order) {
    context.font = `${rank(point) ? 600 : 400} ${0.85 * rem}px ${style.fontFamily}`;
    const text = shortened(point.word, LONGEST);
    const wide = context.measureText(text).width;
    const [side, half] = [8 * (rem / 16), 0.6 * rem];
    const lefts = [point.x + side, point.x - side - wide].filter((left) => left > 2 && left + wide < width - 2);
    // Beside its dot, or else, of words that must have a label, above or below.
    const heights = (rank(point) ? [0, -2 * half, 2 * half] : [0]).map((shift) => point.y + shift);
    const boxes = heights.flatMap((y) => lefts.map((left) => ({ left: left - 2, right: left + wide + 2, top: y - half, bottom: y + half })));
    const box = boxes.find((each) => !taken.some((other) => overlaps(each, other)));
    if (!box) continue;
    taken.push(box);
    point.label = box;
    const y = (box.top + box.bottom) / 2;
    context.fillStyle = color(point.word === hovered ? '--accent' : point.isAnswer ? '--good' : '--ink');
    context.fillText(text, box.left + 2, y);
    if (point.isComposed) underline(context, box.left + 2, box.right - 2, y + 0.55 * rem, rem / 8);
  }
  return projected;

  /** @param {Projected} point */
  function rank(point) {
    return point.word === hovered ? 3 : point.isAnswer ? 2 : point.isAsked ? 1 : 0;
  }
}

/** A dotted line in the color of the text. @param {CanvasRenderingContext2D} context @param {number} left @param {number} right
 * @param {number} y @param {number} size of a dot, in pixels */
function underline(context, left, right, y, size) {
  for (let x = left; x + size <= right; x += 2 * size) {
    context.beginPath();
    context.arc(x + size / 2, y, size / 2, 0, 2 * Math.PI);
    context.fill();
  }
}

/** @param {Point[]} points @param {number} dimensions @param {{ yaw: number, pitch: number }} turn
 * @param {number} width @param {number} height @returns {Projected[]} */
function project(points, dimensions, turn, width, height) {
  const axes = [0, 1, 2].slice(0, dimensions);
  const middle = axes.map((axis) => (Math.min(...points.map(({ at }) => at[axis])) + Math.max(...points.map(({ at }) => at[axis]))) / 2);
  const centered = points.map(({ at }) => axes.map((axis) => at[axis] - middle[axis]));
  const extent = (/** @type {number} */ axis) => Math.max(1e-9, ...centered.map((at) => Math.abs(at[axis])));
  const [halfWidth, halfHeight] = [width / 2 - 2 * MARGIN, height / 2 - MARGIN];
  if (dimensions === 2) {
    const [x, y] = [halfWidth / extent(0), halfHeight / extent(1)];
    return points.map(({ word, isAsked, isAnswer, isComposed }, index) => ({
      word, isAsked, isAnswer, isComposed, depth: 0, label: null, x: width / 2 + centered[index][0] * x, y: height / 2 - centered[index][1] * y,
    }));
  }
  const radius = Math.max(1e-9, ...centered.map((at) => Math.hypot(...at)));
  const scale = Math.min(halfWidth, height / 2 - 12);
  const [sy, cy, sp, cp] = [Math.sin(turn.yaw), Math.cos(turn.yaw), Math.sin(turn.pitch), Math.cos(turn.pitch)];
  return points.map(({ word, isAsked, isAnswer, isComposed }, index) => {
    const [x, y, z] = centered[index].map((value) => value / radius);
    const [x1, z1] = [cy * x + sy * z, cy * z - sy * x];
    const [y1, z2] = [cp * y - sp * z1, cp * z1 + sp * y];
    const size = (scale * EYE) / (EYE + z2);
    return { word, isAsked, isAnswer, isComposed, depth: -z2, label: null, x: width / 2 + x1 * size, y: height / 2 - y1 * size };
  });
}

/** @param {Box} a @param {Box} b */
const overlaps = (a, b) => a.left < b.right && b.left < a.right && a.top < b.bottom && b.top < a.bottom;
/** @param {Box} box @param {number} x @param {number} y */
const inside = (box, x, y) => x >= box.left && x <= box.right && y >= box.top && y <= box.bottom;
