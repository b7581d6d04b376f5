/** What the CRF lets follow a tag: its row of the transition scores, and the whole matrix. */
import { Bars } from '../../components/bars.js';
import { Heatmap } from '../../components/heatmap.js';
import { three } from '../../components/numbers.js';
import { html } from '../../vendor/preact.js';
import { colorOf } from './categories.js';

const MAX_SHOWN = 8;

/** @param {{ tags: string[], scores: (number | null)[][], from: string, labels: string[] }} props
 *     scores: from the row's tag to the column's; null: never. from: the tag before */
export function Transitions({ tags, scores, from, labels }) {
  const row = scores[tags.indexOf(from)];
  const allowed = row.flatMap((value, tag) => (value === null ? [] : [{ name: tags[tag], value }])).sort((a, b) => b.value - a.value);
  const never = tags.filter((_, tag) => row[tag] === null);
  const shown = allowed.slice(0, MAX_SHOWN);
  const values = shown.map(({ value }) => value);
  return html`
    <${Bars} label="Transition scores" min=${Math.min(0, ...values)} max=${Math.max(0, ...values)} format=${three}
      bars=${shown.map((bar) => ({ ...bar, color: colorOf(bar.name, labels) ?? '--edge' }))} />
    <p class="caption">The CRF, the last layer, weighs which tag follows which. Its scores for what comes after ${from}: above 0 makes a tag likelier, below 0 less likely.
      ${allowed.length > MAX_SHOWN && ` The other ${allowed.length - MAX_SHOWN} that may follow have less.`}
      ${never.length > 0 && ` ${listed(never)} cannot follow.`}</p>
    <details><summary>The whole matrix</summary>
      <${Heatmap} rows=${tags} columns=${tags} diverging values=${scores.map((each) => each.map((value) => value ?? NaN))}
        label="Transition scores, from the row's tag to the column's" format=${three} />
    </details>`;
}

/** @param {string[]} names */
const listed = (names) => (names.length > 1 ? `${names.slice(0, -1).join(', ')} and ${names.at(-1)}` : names[0]);
