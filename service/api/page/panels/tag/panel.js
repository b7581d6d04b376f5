/** Tag: a text with its parts of speech or its names. */
import { AsCode } from '../../components/as_code.js';
import { Fold } from '../../components/fold.js';
import { Problem } from '../../components/problem.js';
import { loadStyles } from '../../components/styles.js';
import { shortened } from '../../components/text.js';
import { usePanelState } from '../../components/use_panel_state.js';
import { CorrectTags } from '../../corrections/correct_tags.js';
import { useExplained } from '../../server/use_explained.js';
import { html, useCallback, useMemo } from '../../vendor/preact.js';
import { exampleOf, examplesOf } from './examples.js';
import { MarkedText } from './marked_text.js';
import { NetworkInput } from './network_input.js';
import { probabilityOf } from './probabilities.js';
import { BestTags, Why } from './why.js';

await loadStyles(new URL('tag.css', import.meta.url).href);

/** @typedef {import('../../server/types.js').Model} Model */

const TYPING_MS = 200;
/** @type {string[]} */
const NO_LABELS = [];

/** @param {Model} model @param {string} text */
const callOf = (model, text) => (text.trim() ? { path: 'v1/tag', body: { model: model.id, version: model.version, text } } : null);

/** @param {import('../../panels.js').PanelProps} props */
export function Panel({ server, model, models, query, setQuery, panelState }) {
  const text = query.get('text') ?? exampleOf(model);
  const other = models.find(({ id }) => id === query.get('beside') && id !== model.id) ?? null;
  const mine = useExplained(server, callOf(model, text), { delay: TYPING_MS });
  const beside = useExplained(server, other && callOf(other, text), { delay: TYPING_MS });
  const [choice, setChoice] = usePanelState(panelState, 'choice', /** @type {{ text: string, index: number } | null} */ (null));

  const result = mine.answer?.data.results[0];
  const sent = /** @type {any} */ (mine.answer?.call.body);
  const unsure = useMemo(() => leastSure(result), [result]);
  const answered = sent?.text;
  const setChosen = useCallback((/** @type {number} */ at) => setChoice({ text: answered, index: at }), [answered, setChoice]);
  const index = choice !== null && choice.text === answered && choice.index < (result?.tokens.length ?? 0) ? choice.index : unsure;
  const token = result?.tokens[index];
  const labels = model.labels ?? NO_LABELS;
  // A key that is typed renders the panel, and must not render the explanation of every word.
  const why = useMemo(() => (result?.explain && token
    ? html`<${Why} tokens=${result.tokens} index=${index} explain=${result.explain} labels=${labels} onChoose=${setChosen} />` : null), [result, index, labels, setChosen]);

  return html`
    <div class="panel">
      <section class="card input stack" aria-label="Input">
        <label class="field"><span class="label">Text</span>
          <textarea value=${text} rows="5" spellcheck=${false} aria-invalid=${mine.error?.kind === 'invalid'} aria-describedby="tag-problem"
            onInput=${(/** @type {any} */ event) => setQuery({ text: event.target.value })}></textarea></label>
        <${Problem} state=${mine} id="tag-problem" />
        <div class="buttons examples" role="group" aria-label="Examples">
          ${examplesOf(model).map((example, each) => html`
            <button key=${each} type="button" class="button" onClick=${() => setQuery({ text: example }, { push: true })}>${shortened(example, 28)}</button>`)}
        </div>
        ${models.length > 1 && html`
          <label class="buttons"><span class="caption">Compare with</span>
            <select class="select" onChange=${(/** @type {any} */ event) => setQuery({ beside: event.target.value || null })}>
              <option value="" selected=${!other}>nothing</option>
              ${models.filter(({ id }) => id !== model.id).map(({ id }) => html`<option key=${id} value=${id} selected=${id === other?.id}>${id}</option>`)}
            </select></label>`}
        ${!other && query.get('beside') && query.get('beside') !== model.id && html`<p class="caption">${query.get('beside')} does not serve now:
          <a href="#/models">Models</a> shows what there is to load.</p>`}
      </section>

      <section class="card answer stack" aria-label="Answer" aria-busy=${mine.pending}>
        <${Side} state=${mine} model=${model} chosen=${index} onChoose=${setChosen} isNamed=${other !== null} />
        ${other && html`<${Side} state=${beside} model=${other} chosen=${null} onChoose=${() => {}} isNamed />`}
        ${other && html`<${Problem} state=${beside} />`}
        ${token && html`
          <div class="best-tags stack">
            <h2>“${token.text}”</h2>
            <${BestTags} token=${token} index=${index} explain=${result.explain} labels=${labels} />
          </div>`}
        ${token && sent.model === model.id && html`<${CorrectTags} model=${model} text=${sent.text} result=${result} chosen=${index} onChoose=${setChosen} />`}
      </section>

      ${(mine.answer || mine.error) && html`<div class="wide folds">
        <${Fold} name="tag/input" title="What it saw">${() => result && html`<${NetworkInput} result=${result} model=${model} leastSure=${unsure} />`}<//>
        <${Fold} name="tag/why" title="Why" open>
          ${() => why ?? html`<p>${mine.isTooLong ? 'This text is too long to be explained: shorten it to see why its words have their tags.'
      : mine.explains ? 'Choose a token of the answer.' : 'This server does not say why: its version of /v1/tag has no explanation.'}</p>`}
        <//>
        <${AsCode} server=${server} name="tag" calls=${[mine.answer?.call, other && beside.answer?.call]} />
      </div>`}
    </div>`;
}

/** The answer of one model.
 * @param {{ state: import('../../server/use_answer.js').State, model: Model, chosen: number | null,
 *     onChoose: (index: number) => void, isNamed: boolean }} props */
function Side({ state, model, chosen, onChoose, isNamed }) {
  const { answer, pending, slow } = state;
  const result = answer?.data.results[0];
  return html`
    <div class="side">
      ${isNamed && html`<h2>${model.id}</h2>`}
      <div class=${(pending || state.error) && answer ? 'stale' : ''}>
        ${result && html`<${MarkedText} text=${/** @type {any} */ (answer?.call.body).text} tokens=${result.tokens} entities=${result.entities}
          explain=${result.explain} labels=${model.labels ?? NO_LABELS} chosen=${chosen} onChoose=${onChoose} name="Tagged by ${model.id}" />`}
        ${result?.entities?.length === 0 && html`<p class="caption">It finds no names in this text.</p>`}
      </div>
      ${!answer && !pending && !state.error && html`<p class="caption">Write a text: its words are tagged as you type.</p>`}
      ${!answer && !pending && state.error?.kind === 'invalid' && html`<p class="caption">The text was not tagged: what is wrong with it is said beside it.</p>`}
      ${slow && html`<p class="waiting" role="status">${model.id} is reading …</p>`}
    </div>`;
}

/** The token that the model is least sure of: the one to look at first. @param {any} result */
function leastSure(result) {
  let least = 0;
  let lowest = Infinity;
  (result?.tokens ?? []).forEach((/** @type {import('./marked_text.js').Token} */ token, /** @type {number} */ index) => {
    const probability = probabilityOf(token, index, result.explain);
    if (probability < lowest) [least, lowest] = [index, probability];
  });
  return least;
}
