/** What the network saw of the picture, step by step, and which pixels mattered. */
import { three } from '../../components/numbers.js';
import { useObjectUrl } from '../../components/use_object_url.js';
import { decodeArray } from '../../server/arrays.js';
import { html, useMemo } from '../../vendor/preact.js';
import { FeatureMap } from './feature_map.js';

/** Less evidence than this, in bits, makes an answer hardly more or less probable. */
const WEAK = 0.1;

const GRAY = 'In gray: colors and transparency are gone.';
const INK = `The ink that was found, cut out of its paper: light and shadows, printed lines and specks are gone. Dark is paper, light is
  ink.`;
/** @param {number[]} shape */
const scaled = (shape) => `As the network gets it: scaled to ${shape.join(' × ')} and centered, as the pictures it was trained with. A
  figure that looks wrong here is easily misread.`;
/** What is said of the heat map. @param {string} label it is about @param {string} best label of the answer @param {{ min: number, max: number }} saliency */
const evidenceFor = (label, best, saliency) => html`<b>What speaks for and against “${label}”</b>${label === best ? ', the answer' : ', which is not the answer'}:
  a small square was wiped out, at one spot after the other. ${evidence(saliency)}`;

/** @param {{ picture: import('./picture.js').Picture, explain: import('./network.js').Explanation | undefined, best: string }} props
 *     best: the label of the answer */
export function NetworkInput({ picture, explain, best }) {
  const address = useObjectUrl(picture.content);
  const steps = useMemo(() => explain && {
    gray: explain.gray && decodeArray(explain.gray),
    ink: explain.ink && decodeArray(explain.ink),
    input: decodeArray(explain.input),
    saliency: decodeArray(explain.saliency),
  }, [explain]);
  return html`
    <div class="strip">
      <figure>${picture.width ? (address ? html`<img src=${address} alt="The picture as it was sent" />` : html`<span class="map"></span>`) : html`<p class="caption">This browser cannot show ${picture.name}.</p>`}
        <figcaption class="caption">As sent: ${picture.width > 0 && `${picture.width} × ${picture.height}, `}${Math.ceil(picture.content.size / 1024)} kB.
          ${' '}${address && html`<a href=${address} download=${picture.name}>Save</a>`}</figcaption></figure>
      ${steps?.gray && html`<${Step} array=${steps.gray} gray label="The picture in gray">${GRAY}<//>`}
      ${steps?.ink && html`<${Step} array=${steps.ink} label="The ink that was found on the picture">${INK}<//>`}
      ${steps && html`<${Step} array=${steps.input} label="The picture as the network gets it">${scaled(steps.input.shape)}<//>`}
      ${explain && steps && html`
        <figure class="evidence"><${FeatureMap} values=${steps.saliency.values} height=${steps.saliency.shape[0]} width=${steps.saliency.shape[1]}
            low=${steps.saliency.min} high=${steps.saliency.max} signed over=${steps.input} label="What speaks for and against ${explain.target_label}" />
          <figcaption class="caption">${evidenceFor(explain.target_label, best, steps.saliency)}</figcaption></figure>`}
      ${!explain && html`<p class="caption">This model was exported without the graph that shows what it sees. Make its next version with
        ${' '}<code>lectern-train lenet convert</code>.</p>`}
    </div>`;
}

/** The room of what is on its way. @param {{ isExplained: boolean }} props isExplained: with what the network gets */
export function AwaitedInput({ isExplained }) {
  const captions = ['As sent', ...(isExplained ? [GRAY, INK, scaled([28, 28]), evidenceFor('0', '0', { min: -1, max: 1 })] : [])];
  return html`
    <div class="strip awaited">${captions.map((caption, index) => html`
      <figure key=${index} class=${index > 0 && index === captions.length - 1 ? 'evidence' : ''}><span class="map"></span><figcaption class="caption">${caption}</figcaption></figure>`)}</div>`;
}

/** @param {{ array: import('../../server/arrays.js').Decoded, label: string, gray?: boolean, children?: any }} props
 *     array: [height, width] of values in 0..1. gray: drawn black to white. Its children are the caption */
function Step({ array, label, gray = false, children }) {
  const [height, width] = array.shape;
  return html`
    <figure><${FeatureMap} values=${array.values} height=${height} width=${width} low=${0} high=${1} gray=${gray} label=${label} />
      <figcaption class="caption">${children}</figcaption></figure>`;
}

/** How much odds change by so many bits: each doubles them. @param {number} bits */
function times(bits) {
  const factor = 2 ** bits;
  return `${factor < 10 ? three(factor) : Number(factor.toPrecision(2)).toLocaleString('en')} times`;
}

/** The colors of the heat map in words. @param {{ min: number, max: number }} saliency in bits @returns {string} */
function evidence({ min, max }) {
  if (max < WEAK && min > -WEAK) return 'No single spot matters much here.';
  const texts = [];
  if (max > 0) texts.push(`Orange: without the ink there its odds would be up to ${times(max)} worse (${three(max)} bits).`);
  if (min < 0) texts.push(`Blue: without it they would be up to ${times(-min)} better (${three(-min)} bits).`);
  return `${texts.join(' ')} Odds of 9 to 1 are 90 %.`;
}
