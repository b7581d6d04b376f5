/** Words: neighbors, sums, a map, an axis, and the odd one out. */
import { AsCode } from '../../components/as_code.js';
import { Bars } from '../../components/bars.js';
import { Fold } from '../../components/fold.js';
import { three } from '../../components/numbers.js';
import { Problem } from '../../components/problem.js';
import { loadStyles } from '../../components/styles.js';
import { useAnswer } from '../../server/use_answer.js';
import { html, useMemo } from '../../vendor/preact.js';
import { Arrows } from './arrows.js';
import { Axis, axisCall } from './axis.js';
import { AboutParts, ComposedNote, Word } from './composed.js';
import { MapCard, aroundOf, mapCall } from './map_card.js';
import { OddOneOut, oddOneOutCall } from './odd_one_out.js';
import { parse, replaced } from './parse.js';
import { UnknownList } from './unknown_words.js';
import { useNeighbors } from './use_neighbors.js';
import { composedOf, vectorsCall, vectorsOf } from './vectors.js';
import { VectorStrips } from './vector_strips.js';

await loadStyles(new URL('words.css', import.meta.url).href);

const BARS = 10;
const EXAMPLES = ['king - man + woman', 'cat', 'breakfast, lunch, dinner, river', 'berlin - germany + japan'];

/** @param {import('../../panels.js').PanelProps} props */
export function Panel(props) {
  const { server, model, query, setQuery } = props;
  const text = query.get('q') ?? EXAMPLES[0];
  const question = useMemo(() => parse(text), [text]);
  const { positive = [], negative = [] } = question.kind === 'none' ? {} : question;
  const k = Math.min(Math.max(BARS, aroundOf(query)), model.limits.max_neighbors ?? Infinity);
  const { state, words, unknown, hasUnknown } = useNeighbors(server, model, question, k);
  const result = state.answer?.data.results[0];
  /** @type {{ word: string, score: number }[]} */
  const neighbors = result?.neighbors ?? [];
  const nearest = neighbors.map(({ word }) => word);
  /** @type {string[]} */
  const composed = result?.composed ?? [];
  const search = (/** @type {string} */ word) => setQuery({ q: word }, { push: true });

  // The vectors of what was asked and of what is nearest, for the arrows and the strips.
  const shown = state.answer && !state.error && nearest.length ? [...new Set([...words, ...nearest.slice(0, 3)])] : [];
  const vectorCall = shown.length ? vectorsCall(model, shown) : null;
  const embedded = useAnswer(server, vectorCall);
  const asked = shown.length ? words : [];
  const isList = question.kind === 'several' && positive.length > 2;
  const vectors = useMemo(() => (embedded.answer ? vectorsOf(embedded.answer) : new Map()), [embedded.answer]);
  const drawnComposed = useMemo(() => (embedded.answer ? composedOf(embedded.answer) : new Set()), [embedded.answer]);

  return html`
    <div class=${state.pending || neighbors.length ? 'panel words' : 'panel words nothing'}>
      <section class="card input stack" aria-label="Input">
        <label class="field"><span class="label">A word, a sum of words, or several words</span>
          <input type="search" value=${text} spellcheck=${false} autocapitalize="off" autocomplete="off"
            aria-invalid=${state.error?.kind === 'invalid' || hasUnknown} aria-describedby="words-problem words-composed"
            onInput=${(/** @type {any} */ event) => setQuery({ q: event.target.value })} /></label>
        <div id="words-problem">
          ${hasUnknown && unknown?.length ? html`<${UnknownList} model=${model} unknown=${unknown}
            onReplace=${(/** @type {string} */ word, /** @type {string} */ other) => search(replaced(text, word, other))} />` : html`<${Problem} state=${state} />`}
        </div>
        <div id="words-composed" role="status"><${ComposedNote} model=${model} words=${composed} /></div>
        <div class="buttons examples" role="group" aria-label="Examples">${EXAMPLES.map((example) => html`
          <button key=${example} type="button" class="button" onClick=${() => search(example)}>${example}</button>`)}</div>
        <p class="caption">${model.id} knows ${Number(model.details.words ?? 0).toLocaleString('en')} words by vectors of
          ${' '}${model.details.dimensions} numbers. Words that are used alike are near each other.<${AboutParts} model=${model} /></p>
      </section>

      <section class="card answer stack" aria-label="Answer" aria-busy=${state.pending}>
        ${isList && html`<${OddOneOut} server=${server} model=${model} words=${positive} />`}
        ${neighbors.length > 0 && html`
          <div class=${state.pending || state.error ? 'stale stack' : 'stack'}>
            ${question.kind === 'several' ? html`<h2>${words.length > 1 ? 'Near all of them' : html`Near <${Word} word=${words[0]} isComposed=${composed.includes(words[0])} />`}</h2>
              ${hasUnknown && !isList && html`<p class="caption">Left out, as ${model.id} does not know it: ${positive.filter((word) => !words.includes(word)).join(', ')}.</p>`}`
    : html`<div class="best"><h2 class="label">${question.kind === 'sum' ? 'The sum leads to' : 'Nearest'}</h2><p>${nearest[0]}</p></div>`}
            <${Bars} label="Nearest words, by cosine" bars=${neighbors.slice(0, BARS).map(({ word, score }) => ({ name: word, value: score }))}
              format=${three} best=${nearest[0]} onChoose=${search} />
            <p class="caption">How alike the vectors are, by the cosine of the angle between them: 1 is the same direction, 0 nothing in common.</p>
          </div>`}
        ${hasUnknown && !state.pending && !neighbors.length && html`<p class="caption">${question.kind === 'sum' ? 'Without a vector for every word there is no sum, and there are no nearest words'
    : 'Without a vector there are no nearest words'}: correct what is not in the vocabulary, or choose a word that is spelled like it.</p>`}
        ${state.error?.kind === 'invalid' && !hasUnknown && html`<p class="caption">For this question there are no nearest words: the message beside it says why.</p>`}
        ${question.kind === 'none' && html`<p class="caption">Write a word: the words that are used like it appear here.</p>`}
        ${state.slow && html`<p class="waiting" role="status">${model.id} is searching …</p>`}
      </section>

      <${MapCard} ...${props} asked=${asked} nearest=${nearest} best=${question.kind === 'several' ? null : nearest[0] ?? null} onChoose=${search} />

      <div class="wide folds">
        <${Fold} name="words/why" title="Why" open>
          ${() => (question.kind === 'sum' && vectors.size
    ? html`<${Arrows} model=${model} steps=${question.steps} vectors=${vectors} composed=${drawnComposed} nearest=${nearest} />`
    : html`<p class="caption">A sum such as ${EXAMPLES[0]} is drawn here as arrows.</p>`)}<//>
        <${Fold} name="words/axis" title="An axis between two words">${() => html`<${Axis} ...${props} />`}<//>
        <${Fold} name="words/input" title="What it saw">${() => html`<${VectorStrips} vectors=${vectors} composed=${drawnComposed} asked=${[...positive, ...negative]} model=${model} />`}<//>
        <${AsCode} server=${server} name="words" calls=${[state.answer?.call, embedded.answer?.call, mapCall(model, query, asked, nearest),
    isList ? oddOneOutCall(model, positive) : null, axisCall(model, query)]} />
      </div>
    </div>`;
}
