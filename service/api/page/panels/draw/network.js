/** The network from the input to the labels, each layer as a row of small maps. */
import { decodeArray } from '../../server/arrays.js';
import { three } from '../../components/numbers.js';
import { useAnswer } from '../../server/use_answer.js';
import { Fragment, html, useMemo, useState } from '../../vendor/preact.js';
import { FeatureMap } from './feature_map.js';
import { receptiveField } from './geometry.js';
import { Unit } from './unit.js';

/** @typedef {import('../../server/arrays.js').Encoded} Encoded */
/** @typedef {import('../../server/arrays.js').Decoded} Decoded */
/** @typedef {import('./geometry.js').LayerWeights} LayerWeights */
/** @typedef {{ layer: number, map: number, row: number, column: number }} UnitAddress layer: index into the layers */
/** @typedef {{ gray?: Encoded, ink?: Encoded, input: Encoded, layers: (Encoded & { name: string })[], saliency: Encoded, target_label: string }} Explanation */

/** @param {{ server: import('../../server/client.js').Server, model: import('../../server/types.js').Model, explain: Explanation }} props */
export function Network({ server, model, explain }) {
  const weights = useAnswer(server, useMemo(() => ({
    path: `v1/models/${model.id}/weights`, query: { version: model.version, dtype: 'float32' },
  }), [model.id, model.version]));
  const [pointed, setPointed] = useState(/** @type {UnitAddress | null} */ (null));
  const [chosen, setChosen] = useState(/** @type {UnitAddress | null} */ (null));
  const arrays = useMemo(() => explain.layers.map(decodeArray), [explain]);
  const input = useMemo(() => decodeArray(explain.input), [explain]);
  /** @type {LayerWeights[] | undefined} */
  const described = weights.answer?.data.layers;
  const layers = described?.length === arrays.length ? described : undefined;
  const shapes = [input.shape, ...arrays.map(({ shape }) => shape)];
  const shown = pointed ?? chosen;
  const fields = useMemo(() => (shown && layers
    ? receptiveField(shown.layer, { top: shown.row, bottom: shown.row, left: shown.column, right: shown.column }, layers, shapes)
    : new Map()), [shown, layers, explain]);

  return html`
    <div class="network stack">
      <p class="caption">From the picture above to the labels below. Each small picture is one map of a layer: light where it
        responds most, dark where least. Point at a spot of a map (touch it on a phone): the red frames show what it looked at in the
        layers before. Click it to see how its value is computed.</p>
      <div class="layer"><h3>input <span class="caption">${input.shape.join(' × ')}: the picture as the network gets it</span></h3><div class="maps" style=${{ '--maps': 1 }}>
        <${FeatureMap} values=${input.values} height=${input.shape[0]} width=${input.shape[1]} low=${0} high=${1} label="The input" box=${fields.get(0)} /></div></div>
      ${arrays.map((array, layer) => html`<${Fragment} key=${layer}>
        <${Layer} name=${explain.layers[layer].name} array=${array} labels=${layer === arrays.length - 1 ? model.labels : null}
          description=${layers?.[layer]} box=${fields.get(layer + 1)} boxMap=${shown?.layer === layer ? shown.map : null}
          chosen=${chosen?.layer === layer ? chosen : null}
          onPoint=${(/** @type {number} */ map, /** @type {[number, number] | null} */ unit) => setPointed(unit && { layer, map, row: unit[0], column: unit[1] })}
          onChoose=${(/** @type {number} */ map, /** @type {[number, number]} */ [row, column]) => setChosen({ layer, map, row, column })} />
        ${chosen?.layer === layer && layers && html`<${Unit} at=${chosen} layers=${layers} arrays=${arrays} input=${input} labels=${model.labels ?? []}
          onAt=${setChosen} onClose=${() => setChosen(null)} />`}
      <//>`)}
      <${Percentages} temperature=${model.details.temperature ?? null} />
      ${chosen && !layers && !weights.pending && html`<p>The server does not say what this model's layers are, so the sum cannot be shown.</p>`}
    </div>`;
}

/** How the outputs become the percentages of the bars. @param {{ temperature: number | null }} props null: they are no softmax of the outputs */
function Percentages({ temperature }) {
  if (temperature === null) return null;
  return html`<p class="caption">The percentages are the softmax of these: e to the power of each output${temperature === 1 ? '' : ` divided by ${three(temperature)}`},
    as a share of the sum of all.${temperature !== 1 && ` ${three(temperature)} is the temperature: it was fitted after the training, so that the percentages are as often right as they say.`}</p>`;
}

/** @type {Record<string, string>} */
const KINDS = { convolution: 'convolution', 'max-pooling': 'maximum', 'average-pooling': 'mean', dense: 'fully connected', rbf: 'distances' };
/** What a layer of a kind does, for who has just heard of it.
 * @param {LayerWeights} layer @param {boolean} isLast @returns {string} */
function purpose({ kind, kernel = [1, 1] }, isLast) {
  if (kind === 'convolution') return `each map looks for a pattern of its own, everywhere, through a window of ${kernel.join(' × ')} (its kernel)`;
  if (kind === 'max-pooling') return `keeps the greatest of each ${kernel.join(' × ')}: smaller, and where exactly matters less`;
  if (kind === 'average-pooling') return `keeps the mean of each ${kernel.join(' × ')}: smaller, and where exactly matters less`;
  if (kind === 'dense') return isLast ? 'one unit a label: the greatest is the answer' : 'each unit weighs all of the layer before';
  if (kind === 'rbf') return 'one unit a label: how far the layer before is from its pattern';
  return '';
}

/** @param {{ name: string, array: Decoded, labels: string[] | null, description: LayerWeights | undefined,
 *     box: import('./geometry.js').Box | undefined, boxMap: number | null, chosen: UnitAddress | null,
 *     onPoint: (map: number, unit: [number, number] | null) => void, onChoose: (map: number, unit: [number, number]) => void }} props
 *     boxMap: the only map in which the box is outlined; null: in all */
function Layer({ name, array, labels, description, box, boxMap, chosen, onPoint, onChoose }) {
  const { shape, values, min, max } = array;
  const isMaps = shape.length === 3;
  const [maps, height, width] = isMaps ? shape : [1, 1, shape[0]];
  // The same arrays in every rendering, or all maps would be drawn again at each move of the pen.
  const valuesOfMaps = useMemo(() => Array.from({ length: maps }, (_, map) => (
    values.subarray(map * height * width, (map + 1) * height * width))), [array]);
  return html`
    <div class="layer">
      <h3>${name} <span class="caption">${isMaps ? `${maps} ${maps === 1 ? 'map' : 'maps'} of ${height} × ${width}` : `${width} units`}${description && `, ${KINDS[description.kind] ?? description.kind}`}${description?.kernel && ` ${description.kernel.join(' × ')}`}${description && `: ${purpose(description, labels !== null)}`}</span></h3>
      <div class=${isMaps ? 'maps' : 'maps units'} style=${{ '--units': width, '--maps': maps }}>
        ${valuesOfMaps.map((valuesOfMap, map) => html`
          <${FeatureMap} key=${map} values=${valuesOfMap} height=${height} width=${width}
            low=${min} high=${max} label=${isMaps ? `${name}, map ${map + 1} of ${maps}` : `${name}, ${width} units`}
            box=${boxMap === null || boxMap === map ? box : undefined} isChosen=${chosen?.map === map}
            onPoint=${(/** @type {[number, number] | null} */ unit) => onPoint(map, unit)}
            onChoose=${(/** @type {[number, number]} */ unit) => onChoose(map, unit)} />`)}
        ${labels && labels.length <= 30 && html`<ol class="unit-labels" aria-hidden="true">${labels.map((label) => html`<li key=${label}>${label}</li>`)}</ol>`}
      </div>
    </div>`;
}
