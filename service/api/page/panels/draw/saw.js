/** What the network saw of the picture, and which pixels mattered. */
import { html, useEffect, useMemo, useState } from '../../vendor/preact.js';
import { three } from '../../components/numbers.js';
import { decoded } from './arrays.js';
import { MapPicture } from './map.js';

/** @param {{ picture: import('./picture.js').Picture, explain: import('./network.js').Explanation | undefined, label: string }} props
 *     label: the best, which the heat map is about */
export function Saw({ picture, explain, label }) {
  const [address, setAddress] = useState('');
  useEffect(() => {
    const url = URL.createObjectURL(picture.content);
    setAddress(url);
    return () => URL.revokeObjectURL(url);
  }, [picture.name]);
  const input = useMemo(() => explain && decoded(explain.input), [explain]);
  const saliency = useMemo(() => explain && decoded(explain.saliency), [explain]);
  return html`
    <div class="strip">
      <figure>${address && html`<img src=${address} alt="The picture as it was sent" />`}
        <figcaption class="caption">As sent: ${picture.width} × ${picture.height}, ${Math.ceil(picture.content.size / 1024)} kB.
          ${' '}${address && html`<a href=${address} download=${picture.name}>Save</a>`}</figcaption></figure>
      ${input && html`
        <figure><${MapPicture} values=${input.values} height=${input.shape[0]} width=${input.shape[1]} low=${0} high=${1} label="The picture as the network gets it" />
          <figcaption class="caption">As the network gets it: ink found, cut out, scaled to ${input.shape.join(' × ')} and centered as its
            training data was. Dark is paper, light is ink.</figcaption></figure>`}
      ${saliency && html`
        <figure><${MapPicture} values=${saliency.values} height=${saliency.shape[0]} width=${saliency.shape[1]} low=${saliency.min} high=${saliency.max} signed label="Which pixels mattered" />
          <figcaption class="caption">Which pixels mattered: where a patch of it is covered, “${label}” loses evidence (orange, at most
            ${' '}${three(saliency.max)} bits), or gains some (blue).</figcaption></figure>`}
      ${!explain && html`<p class="caption">This model was exported without the graph that shows what it sees. Make its next version with
        ${' '}<code>lectern-train lenet convert</code>.</p>`}
    </div>`;
}
