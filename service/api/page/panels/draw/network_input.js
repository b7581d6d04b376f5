/** What the network saw of the picture, and which pixels mattered. */
import { three } from '../../components/numbers.js';
import { useObjectUrl } from '../../components/use_object_url.js';
import { decodeArray } from '../../server/arrays.js';
import { html, useMemo } from '../../vendor/preact.js';
import { FeatureMap } from './feature_map.js';

/** Less evidence than this, in bits, makes an answer hardly less probable. */
const WEAK = 0.1;

/** @param {{ picture: import('./picture.js').Picture, explain: import('./network.js').Explanation | undefined, label: string }} props
 *     label: the best, which the heat map is about */
export function NetworkInput({ picture, explain, label }) {
  const address = useObjectUrl(picture.content);
  const input = useMemo(() => explain && decodeArray(explain.input), [explain]);
  const saliency = useMemo(() => explain && decodeArray(explain.saliency), [explain]);
  return html`
    <div class="strip">
      <figure>${address && (picture.width ? html`<img src=${address} alt="The picture as it was sent" />` : html`<p class="caption">This browser cannot show ${picture.name}.</p>`)}
        <figcaption class="caption">As sent: ${picture.width > 0 && `${picture.width} × ${picture.height}, `}${Math.ceil(picture.content.size / 1024)} kB.
          ${' '}${address && html`<a href=${address} download=${picture.name}>Save</a>`}</figcaption></figure>
      ${input && html`
        <figure><${FeatureMap} values=${input.values} height=${input.shape[0]} width=${input.shape[1]} low=${0} high=${1} label="The picture as the network gets it" />
          <figcaption class="caption">As the network gets it: the ink cut out, scaled to ${input.shape.join(' × ')} and centered, as the pictures
            it was trained with. Dark is paper, light is ink. A figure that looks wrong here is misread.</figcaption></figure>`}
      ${saliency && html`
        <figure><${FeatureMap} values=${saliency.values} height=${saliency.shape[0]} width=${saliency.shape[1]} low=${saliency.min} high=${saliency.max} signed label="Which pixels mattered" over=${input} />
          <figcaption class="caption">What mattered: a small square was wiped out, at one spot after the other. Orange: without this spot “${label}” is
            less sure, by ${three(saliency.max)} bits where it is strongest. Blue: surer.${saliency.max < WEAK && ' No single spot matters much here.'}</figcaption></figure>`}
      ${!explain && html`<p class="caption">This model was exported without the graph that shows what it sees. Make its next version with
        ${' '}<code>lectern-train lenet convert</code>.</p>`}
    </div>`;
}
