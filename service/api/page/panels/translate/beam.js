/** The beam search as a tree: the hypotheses of every step, and which became the translation.
 *
 * @typedef {{ id: number, parent: number | null, piece: string, score: number }} Hypothesis
 * @typedef {{ step: number, hypotheses: Hypothesis[] }} Step
 */
import { three } from '../../components/numbers.js';
import { Problem } from '../../components/problem.js';
import { shortened } from '../../components/text.js';
import { useAnswer } from '../../server/use_answer.js';
import { html } from '../../vendor/preact.js';
import { END, START, readable } from './pieces.js';

const COLUMN = 116;
const ROW = 30;
const BEAM = 4;

/** The call that also answers the search. @param {Record<string, any>} body of the translation's call */
export const beamCall = (body) => ({ path: 'v1/translate', body: { ...body, alignment: true, beam: true, beam_size: BEAM } });

/** @param {{ server: import('../../server/client.js').Server, body: Record<string, any> | null }} props body: of the translation's call */
export function Beam({ server, body }) {
  const state = useAnswer(server, body && beamCall(body));
  const sentences = state.answer?.data.results[0]?.sentences ?? [];
  return html`
    <div class="stack">
      <p class="caption">At each step the ${BEAM} likeliest beginnings go on, each with its next subword. The thick line is the one
        that became the translation. A score is the logarithm of the probability of all subwords so far.</p>
      <${Problem} state=${state} />
      ${state.slow && html`<p class="waiting" role="status">Searching once more, with notes …</p>`}
      ${sentences.filter((/** @type {any} */ each) => each.beam).map((/** @type {any} */ sentence, /** @type {number} */ index) => html`
        <${Tree} key=${index} steps=${sentence.beam} best=${sentence.best} number=${index + 1} />`)}
      ${state.answer && !sentences.some((/** @type {any} */ each) => each.beam) && html`<p>The text was given back as it was: there was nothing to search.</p>`}
    </div>`;
}

/** @param {{ steps: Step[], best: number | undefined, number: number }} props */
function Tree({ steps, best, number }) {
  /** @type {Map<number, { x: number, y: number, hypothesis: Hypothesis }>} */
  const nodes = new Map();
  steps.forEach(({ hypotheses }, step) => hypotheses.forEach((hypothesis, row) => {
    nodes.set(hypothesis.id, { x: step * COLUMN + 8, y: row * ROW + 20, hypothesis });
  }));
  const chosen = pathTo(nodes, best ?? likeliestEnd(steps));
  const width = steps.length * COLUMN + 16;
  const height = Math.max(...steps.map(({ hypotheses }) => hypotheses.length)) * ROW + 16;
  const parentOf = (/** @type {Hypothesis} */ hypothesis) => (hypothesis.parent === null ? undefined : nodes.get(hypothesis.parent));
  return html`
    <figure>
      <div class="table-scroll" tabindex="0" role="region" aria-label="Search tree of sentence ${number}">
        <svg class="tree" width=${width} height=${height} viewBox="0 0 ${width} ${height}" role="img"
          aria-label="Search tree; the table below has the same in words">
          ${[...nodes.values()].map(({ x, y, hypothesis }) => {
    const parent = parentOf(hypothesis);
    return parent && html`<path key=${hypothesis.id} class=${chosen.has(hypothesis.id) ? 'chosen' : ''}
              d="M${parent.x + 80} ${parent.y}C${x - 16} ${parent.y} ${parent.x + 96} ${y} ${x - 3} ${y}" />`;
  })}
          ${[...nodes.values()].map(({ x, y, hypothesis }) => html`
            <g key=${hypothesis.id} class=${chosen.has(hypothesis.id) ? 'chosen' : ''}><title>${readable(hypothesis.piece)}: ${three(hypothesis.score)}</title>
              <text x=${x} y=${y + 5}>${shortened(readable(hypothesis.piece), 9)}</text></g>`)}
        </svg>
      </div>
      <details><summary class="caption">The tree as a table</summary>
        <div class="table-scroll" tabindex="0" role="region" aria-label="Hypotheses of sentence ${number}"><table>
          <thead><tr><th scope="col">step</th><th scope="col">hypotheses, likeliest first</th></tr></thead>
          <tbody>${steps.map(({ step, hypotheses }) => html`<tr key=${step}><th scope="row">${step}</th>
            <td>${hypotheses.map((each) => `${textOf(nodes, each)} (${three(each.score)})`).join(' · ')}</td></tr>`)}</tbody></table></div>
      </details>
    </figure>`;
}

/** @param {Map<number, { hypothesis: Hypothesis }>} nodes @param {number | undefined} id @returns {Set<number>} */
function pathTo(nodes, id) {
  const path = new Set(/** @type {number[]} */ ([]));
  for (let at = id; at !== undefined && at !== null; at = nodes.get(at)?.hypothesis.parent ?? undefined) path.add(at);
  return path;
}

/** @param {Step[]} steps */
const likeliestEnd = (steps) => steps.flatMap(({ hypotheses }) => hypotheses).filter(({ piece }) => piece === END)
  .sort((a, b) => b.score - a.score)[0]?.id;

/** All of a hypothesis. @param {Map<number, { hypothesis: Hypothesis }>} nodes @param {Hypothesis} hypothesis */
const textOf = (nodes, hypothesis) => [...pathTo(nodes, hypothesis.id)].reverse()
  .map((id) => nodes.get(id)?.hypothesis.piece ?? '').join('').replaceAll(START, ' ').trim();
