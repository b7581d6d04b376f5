/** What is drawn: strokes of a pen or an eraser, and how the address holds them.
 *
 * @typedef {{ x: number, y: number }} Point in pixels of the pad
 * @typedef {{ points: Point[], width: number, erases: boolean }} Stroke width: of the pen, in pixels of the pad
 */

/** Height and width of the pad, in its own pixels. */
export const PAD = 280;
/** Points nearer than this to the last one are left out, so that a link stays short. */
const APART = 4;
/** The address has steps of two pixels, in two digits of base 36. */
const STEP = 2;
const BASE = 36;

/** Add a point to a stroke, unless it is where the last one is.
 * @param {Stroke} stroke @param {Point} point @returns {Stroke} */
export function extended(stroke, point) {
  const last = stroke.points.at(-1);
  if (last && Math.hypot(last.x - point.x, last.y - point.y) < APART) return stroke;
  return { ...stroke, points: [...stroke.points, point] };
}

/** Strokes as the address holds them: `p0a` (pen of width 10) or `e0a` (eraser), then four digits a point; `-` between
 * strokes. @param {Stroke[]} strokes */
export function asText(strokes) {
  return strokes.map(({ points, width, erases }) => (erases ? 'e' : 'p') + digits(width)
    + points.map(({ x, y }) => digits(x / STEP) + digits(y / STEP)).join('')).join('-');
}

/** The strokes of `asText`. What is no stroke is left out. @param {string | null} text @returns {Stroke[]} */
export function fromText(text) {
  return (text ?? '').split('-').filter((part) => /^[pe][0-9a-z]{2}([0-9a-z]{4})+$/.test(part)).map((part) => ({
    erases: part[0] === 'e',
    width: Math.max(1, number(part.slice(1, 3))),
    points: [.../** @type {string[]} */ (part.slice(3).match(/.{4}/g))].map((four) => ({
      x: number(four.slice(0, 2)) * STEP, y: number(four.slice(2)) * STEP,
    })),
  }));
}

/** Draw strokes on paper or whatever the context has.
 * @param {CanvasRenderingContext2D} context @param {Stroke[]} strokes @param {number} [thicker] pixels added to every pen */
export function paint(context, strokes, thicker = 0) {
  context.lineCap = context.lineJoin = 'round';
  for (const { points, width, erases } of strokes) {
    context.strokeStyle = erases ? '#fff' : '#000';
    context.lineWidth = Math.max(1, width + (erases ? 0 : thicker));
    context.beginPath();
    if (points.length === 1) {
      // A canvas draws nothing for a line without a length.
      context.fillStyle = context.strokeStyle;
      context.arc(points[0].x, points[0].y, context.lineWidth / 2, 0, 2 * Math.PI);
      context.fill();
      continue;
    }
    context.moveTo(points[0].x, points[0].y);
    // A curve through the middles of the points, so that a quick hand draws no corners.
    for (let at = 1; at + 1 < points.length; at += 1) {
      const [here, next] = [points[at], points[at + 1]];
      context.quadraticCurveTo(here.x, here.y, (here.x + next.x) / 2, (here.y + next.y) / 2);
    }
    const last = /** @type {Point} */ (points.at(-1));
    context.lineTo(last.x, last.y);
    context.stroke();
  }
}

/** @param {number} value */
const digits = (value) => Math.max(0, Math.min(BASE * BASE - 1, Math.round(value))).toString(BASE).padStart(2, '0');

/** @param {string} text */
const number = (text) => parseInt(text, BASE);
