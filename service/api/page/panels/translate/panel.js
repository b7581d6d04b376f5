/** Translate: both texts side by side, what each word attended to, and the search. */
import { AsCode } from '../../components/as_code.js';
import { Fold } from '../../components/fold.js';
import { Icon } from '../../components/icon.js';
import { Problem } from '../../components/problem.js';
import { loadStyles } from '../../components/styles.js';
import { shortened } from '../../components/text.js';
import { CorrectTranslation } from '../../corrections/correct_translation.js';
import { useAnswer } from '../../server/use_answer.js';
import { html, useEffect, useState } from '../../vendor/preact.js';
import { Alternatives } from './alternatives.js';
import { Attentions } from './attention.js';
import { Beam, beamCall } from './beam.js';
import { exampleOf, examplesOf, languageName } from './languages.js';
import { OtherDirection, useIsInLanguage } from './other_language.js';
import { SIGNS, START, readable } from './pieces.js';
import { TranslatedText } from './translated_text.js';

await loadStyles(new URL('translate.css', import.meta.url).href);

/** @typedef {import('../../server/types.js').Model} Model */

const TYPING_MS = 300;
const ALTERNATIVES = 2;
/** Why a segment came back as it was. @type {Record<string, string>} */
const REASONS = {
  too_long: 'too long', repeats: 'its translation only repeated itself', unattended: 'its translation left out too much',
  no_letters: 'no letters', language: 'another language',
};

/** @param {import('../../panels.js').PanelProps} props */
export function Panel({ server, model, models, query, setQuery }) {
  const { source, target } = model.details;
  const text = query.get('text') ?? exampleOf(source);
  const hasAttention = model.details.attention;
  const body = text.trim() ? { model: model.id, version: model.version, text, alternatives: ALTERNATIVES,
    ...(hasAttention ? { alignment: true, alternative_sentences: true } : {}) } : null;
  const state = useAnswer(server, body && { path: 'v1/translate', body }, { delay: TYPING_MS });
  const sent = /** @type {any} */ (state.answer?.call.body);
  // While the next answer is on its way, the last one may be of the other direction.
  const result = sent?.model === model.id ? state.answer?.data.results[0] : undefined;
  const sentences = (result?.sentences ?? []).filter((/** @type {any} */ each) => each.alignment?.length);
  const [alternative, setAlternative] = useState(/** @type {import('./alternatives.js').Alternative | null} */ (null));
  useEffect(() => setAlternative(null), [result]);
  const isStale = state.pending || state.error !== null;
  const back = models.find((each) => each.details.source === target && each.details.target === source);
  const isInTarget = useIsInLanguage(server, text, back ? target : null);
  const turn = (/** @type {string} */ next) => back && setQuery({ model: back.id, version: null, text: next }, { push: true });
  // The translation becomes the text, except where the text is in its language already, or was not translated yet.
  const swap = () => turn(isInTarget || isStale ? text : result?.text ?? text);

  return html`
    <div class="panel translate">
      <section class="card input stack" aria-label="Input">
        <label class="field"><span class="label">${languageName(source)}</span>
          <textarea value=${text} rows="6" lang=${source} aria-invalid=${state.error?.kind === 'invalid'} aria-describedby="translate-problem"
            onInput=${(/** @type {any} */ event) => setQuery({ text: event.target.value })}></textarea></label>
        <${Problem} state=${state} id="translate-problem" />
        ${isInTarget && html`<${OtherDirection} source=${source} target=${target} onAccept=${() => turn(text)} />`}
        <div class="buttons examples" role="group" aria-label="Direction and examples">
          <button type="button" class="button" disabled=${!back} onClick=${swap}
            title=${back ? '' : `No model of this server translates from ${languageName(target)} to ${languageName(source)}`}><${Icon} name="swap" />
            ${languageName(target)} to ${languageName(source)}</button>
          ${examplesOf(source).map((example, each) => html`
            <button key=${each} type="button" class="button" onClick=${() => setQuery({ text: example }, { push: true })}>${shortened(example, 30)}</button>`)}
        </div>
      </section>

      <section class="card answer stack" aria-label="Answer" aria-busy=${state.pending}>
        <h2 class="label">${languageName(target)}</h2>
        ${result && html`
          <${TranslatedText} text=${result.text} copied=${result.copied} language=${target} isStale=${isStale} />
          ${result.kept?.length > 0 && html`<p class="caption">Given back as it was: ${result.kept.map((/** @type {any} */ each, /** @type {number} */ index) => html`
            ${index ? ', ' : ''}<u key=${index}>${Array.from(sent.text).slice(each.start, each.end).join('')}</u> (${REASONS[each.reason] ?? each.reason})`)}.</p>`}
          <${Alternatives} result=${result} language=${target} chosen=${alternative} hasAttention=${hasAttention} onChoose=${setAlternative} />`}
        ${result && html`<${CorrectTranslation} model=${model} text=${sent.text} translation=${alternative?.text ?? result.text} />`}
        ${!body && html`<p class="caption">Write a text: it is translated as you type.</p>`}
        ${body && !result && state.error?.kind === 'invalid' && html`<p class="caption">The text was not translated: what is wrong with it is said beside it.</p>`}
        ${state.slow && html`<p class="waiting" role="status">${model.id} is translating …</p>`}
      </section>

      ${(state.answer || state.error) && html`<div class="wide folds">
        <${Fold} name="translate/why" title="Why" open>
          ${() => html`<div class=${isStale ? 'stack stale' : 'stack'}>
            <${Attentions} sentences=${sentences} alternative=${alternative} source=${source} target=${target} />
            ${result && !sentences.length && html`<p class="caption">${hasAttention ? 'No sentence of this text was translated by the network.'
    : `${model.id} has no attention: its network reads the whole sentence into one vector, and does not look at single words again.`}</p>`}</div>`}<//>
        <${Fold} name="translate/beam" title="The search as a tree">${() => html`<${Beam} server=${server} body=${sent ?? null} alternative=${alternative} />`}<//>
        <${Fold} name="translate/input" title="What it saw">${() => html`
          <div class="stack"><p class="caption">The network reads subwords (common words whole, rare ones in pieces), one sentence at a time. Numbers, names, addresses and tags that it
            would misspell are replaced before, and put back after. ${SIGNS}</p>
          ${result && !hasAttention && html`<p class="caption">${model.id} has no attention: “The search as a tree” has its subwords.</p>`}
          ${(result?.sentences ?? []).map((/** @type {any} */ sentence, /** @type {number} */ index) => html`
            <p key=${index} class="pieces" lang=${source}>${sentence.source_tokens.map((/** @type {string} */ piece, /** @type {number} */ position) => html`
              <span key=${position} class=${piece.startsWith(START) ? 'piece begins' : 'piece'}>${readable(piece)}</span>`)}</p>`)}</div>`}<//>
        <${AsCode} server=${server} name="translate" calls=${[state.answer?.call, sent && beamCall(sent)]} />
      </div>`}
    </div>`;
}
