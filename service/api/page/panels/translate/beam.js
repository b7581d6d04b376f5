/** The beam search as a tree: the hypotheses of every step, and which became the translation.
 *
 * @typedef {{ id: number, parent: number | null, piece: string, score: number }} Hypothesis
 * @typedef {{ step: number, hypotheses: Hypothesis[] }} Step
 * @typedef {{ beam: Step[], best: number | undefined }} Sentence best: the last hypothesis of its translation
 */
import { three } from '../../components/numbers.js';
import { Problem } from '../../components/problem.js';
import { shortened } from '../../components/text.js';
import { useAnswer } from '../../server/use_answer.js';
import { html, useLayoutEffect, useRef } from '../../vendor/preact.js';
import { END, SIGNS, readable, textOf } from './pieces.js';

const COLUMN = 116;
const ROW = 44;

/** The call that also answers the search: that of the translation itself, so that its alternatives are in it.
 * @param {Record<string, any>} body of the translation's call */
export const beamCall = (body) => ({ path: 'v1/translate', body: { ...body, beam: true, alternative_sentences: true } });

/** @param {{ server: import('../../server/client.js').Server, body: Record<string, any> | null, alternative: { text: string } | null }} props
 *     body: of the translation's call; null: nothing was translated. alternative: one whose path is shown too */
export function Beam({ server, body, alternative }) {
  const state = useAnswer(server, body && beamCall(body));
  const result = state.answer?.data.results[0];
  /** @type {Sentence[]} */
  const sentences = result?.sentences ?? [];
  const size = Math.max(0, ...sentences.flatMap(({ beam }) => beam.map(({ hypotheses }) => (
    hypotheses.filter(({ piece }) => piece !== END).length))));
  const other = result?.alternatives.find((/** @type {any} */ each) => each.text === alternative?.text)?.sentence;
  const isTooLong = state.error?.field === 'beam';
  const last = other && lastOfPath(sentences[other.index].beam, other.target_tokens);
  return html`
    <div class="stack">
      <p class="caption">At each step the ${size || ''} likeliest beginnings go on, each with its next subword. The thick line is the one
        that became the translation. Below each subword stands its score: the logarithm of the probability of all subwords so far (0 is certain, −0.69 is 50 %, −4.6 is 1 %).
        ${' '}${SIGNS} Where an edge of the tree is shaded, it goes on: scroll it sideways.</p>
      ${isTooLong ? html`<p class="caption">This text is too long for its search to be shown: shorten it to see the tree.</p>` : html`<${Problem} state=${state} />`}
      ${state.slow && html`<p class="waiting" role="status">Searching again, and writing down every step …</p>`}
      ${alternative && state.answer && html`<p class="caption">${last !== undefined ? 'The dashed line is the alternative that you chose.'
    : 'The alternative that you chose is not among the steps shown.'}</p>`}
      ${sentences.map(({ beam, best }, index) => html`
        <${Tree} key=${index} steps=${beam} best=${best} other=${index === other?.index ? last : undefined} number=${index + 1} />`)}
      ${state.answer && !sentences.length && html`<p>The text was given back as it was: there was nothing to search.</p>`}
    </div>`;
}

/** @param {{ steps: Step[], best: number | undefined, other: number | undefined, number: number }} props
 *     best, other: the last hypothesis of the translation, and of an alternative */
function Tree({ steps, best, other, number }) {
  /** @type {Map<number, { x: number, y: number, hypothesis: Hypothesis }>} */
  const nodes = new Map();
  steps.forEach(({ hypotheses }, step) => hypotheses.forEach((hypothesis, row) => {
    nodes.set(hypothesis.id, { x: step * COLUMN + 8, y: row * ROW + 20, hypothesis });
  }));
  const chosen = pathTo(nodes, best ?? likeliestEnd(steps));
  const compared = pathTo(nodes, other);
  const classOf = (/** @type {number} */ id) => [chosen.has(id) && 'chosen', compared.has(id) && 'compared'].filter(Boolean).join(' ');
  const width = steps.length * COLUMN + 16;
  const height = Math.max(...steps.map(({ hypotheses }) => hypotheses.length)) * ROW + 16;
  const scroller = useRef(/** @type {HTMLElement | null} */ (null));
  // Where the alternative leaves the translation.
  const fork = [...compared].reverse().find((id) => !chosen.has(id));
  useLayoutEffect(() => {
    const box = scroller.current;
    const drawn = box?.querySelector('svg')?.getBoundingClientRect().width;
    const x = fork === undefined ? undefined : nodes.get(fork)?.x;
    // The subword before the fork comes to the left edge.
    if (box && drawn) box.scrollLeft = x === undefined ? 0 : (x - COLUMN - 8) * drawn / width;
  }, [steps, fork]);
  const parentOf = (/** @type {Hypothesis} */ hypothesis) => (hypothesis.parent === null ? undefined : nodes.get(hypothesis.parent));
  return html`
    <figure>
      <div ref=${scroller} class="table-scroll wide-tree" tabindex="0" role="region" aria-label="Search tree of sentence ${number}">
        <svg class="tree" style=${{ width: `${width / 16}rem`, height: `${height / 16}rem` }} viewBox="0 0 ${width} ${height}" role="img"
          aria-label="Search tree; the table below has the same in words">
          ${[...nodes.values()].map(({ x, y, hypothesis }) => {
    const parent = parentOf(hypothesis);
    return parent && html`<path key=${hypothesis.id} class=${classOf(hypothesis.id)}
              d="M${parent.x + 80} ${parent.y}C${x - 16} ${parent.y} ${parent.x + 96} ${y} ${x - 3} ${y}" />`;
  })}
          ${[...nodes.values()].map(({ x, y, hypothesis }) => html`
            <g key=${hypothesis.id} class=${classOf(hypothesis.id)}><title>${readable(hypothesis.piece)}: ${three(hypothesis.score)}</title>
              <text x=${x} y=${y + 5}>${shortened(readable(hypothesis.piece), 8)}</text>
              <text class="score" x=${x} y=${y + 19}>${three(hypothesis.score)}</text></g>`)}
        </svg>
      </div>
      <details><summary class="caption">The tree as a table</summary>
        <div class="table-scroll" tabindex="0" role="region" aria-label="Hypotheses of sentence ${number}"><table>
          <thead><tr><th scope="col">step</th><th scope="col">hypotheses, likeliest first</th></tr></thead>
          <tbody>${steps.map(({ step, hypotheses }) => html`<tr key=${step}><th scope="row">${step}</th>
            <td>${hypotheses.map((each) => `${wholeOf(nodes, each)} (${three(each.score)})`).join(' · ')}</td></tr>`)}</tbody></table></div>
      </details>
    </figure>`;
}

/** The last hypothesis of these subwords; undefined if they are more than the steps shown.
 * @param {Step[]} steps @param {string[]} pieces @returns {number | undefined} */
function lastOfPath(steps, pieces) {
  let parents = new Set(/** @type {(number | null)[]} */ ([null]));
  for (const [index, piece] of pieces.entries()) {
    const next = (steps[index]?.hypotheses ?? []).filter((each) => each.piece === piece && parents.has(each.parent));
    parents = new Set(next.map(({ id }) => id));
  }
  return [...parents].find((id) => id !== null);
}

/** @param {Map<number, { hypothesis: Hypothesis }>} nodes @param {number | undefined} id @returns {Set<number>} */
function pathTo(nodes, id) {
  const path = new Set(/** @type {number[]} */ ([]));
  for (let at = id; at !== undefined && at !== null; at = nodes.get(at)?.hypothesis.parent ?? undefined) path.add(at);
  return path;
}

/** @param {Step[]} steps */
const likeliestEnd = (steps) => steps.flatMap(({ hypotheses }) => hypotheses.filter(({ piece }) => piece === END)).sort((a, b) => b.score - a.score)[0]?.id;

/** All of a hypothesis. @param {Map<number, { hypothesis: Hypothesis }>} nodes @param {Hypothesis} hypothesis */
const wholeOf = (nodes, hypothesis) => textOf([...pathTo(nodes, hypothesis.id)].reverse().map((id) => nodes.get(id)?.hypothesis.piece ?? ''));
