/** Words that are not in the vocabulary of a model, each with known ones that are spelled like it. */
import { shortened } from '../../components/text.js';
import { useAnswer } from '../../server/use_answer.js';
import { html } from '../../vendor/preact.js';

/** Words that are looked up. */
const MAX_LOOKED_UP = 100;
/** Unknown words that are shown. */
const MAX_SHOWN = 10;
/** Characters of an unknown word that are shown. */
const LONGEST = 60;
const TYPING_MS = 300;

/** @typedef {{ word: string, suggestions: string[] }} Unknown suggestions: known words that are spelled like it */

/** Which of words are not in the vocabulary, nor composed of their n-grams.
 * @param {import('../../server/client.js').Server} server @param {import('../../server/types.js').Model} model @param {string[]} words
 * @param {{ composed?: boolean }} [options] composed: name those that are composed as well
 * @returns {Unknown[] | null} null: the server has not said so yet */
export function useUnknownWords(server, model, words, { composed = false } = {}) {
  const looked = [...new Set(words)].slice(0, MAX_LOOKED_UP);
  const { answer, pending } = useAnswer(server, looked.length ? {
    path: 'v1/neighbors', body: { model: model.id, version: model.version, words: looked, k: 1 },
  } : null, { delay: TYPING_MS });
  if (pending || !answer) return null;
  const sent = /** @type {any} */ (answer.call.body).words;
  return answer.data.results.flatMap((/** @type {any} */ result, /** @type {number} */ index) => (
    result.unknown || (composed && result.composed) ? [{ word: sent[index], suggestions: result.suggestions ?? [] }] : []));
}

/** @param {{ server: import('../../server/client.js').Server, model: import('../../server/types.js').Model, words: string[],
 *     onReplace: (word: string, other: string) => void }} props
 *     words: those without a vector; the known among them are not shown. onReplace: puts another word in the place of one */
export function UnknownWords({ server, model, words, onReplace }) {
  // A word of digits or signs is composed where words are asked for, but a text of it alone has no words and so no vector.
  return html`<${UnknownList} model=${model} unknown=${useUnknownWords(server, model, words, { composed: true }) ?? []} onReplace=${onReplace} />`;
}

/** @param {{ model: import('../../server/types.js').Model, unknown: Unknown[], onReplace: (word: string, other: string) => void }} props */
export function UnknownList({ model, unknown, onReplace }) {
  if (!unknown.length) return null;
  return html`
    <div class="problem" role="alert">
      ${unknown.slice(0, MAX_SHOWN).map(({ word, suggestions }) => html`
        <p key=${word}>“${shortened(word, LONGEST)}” is not in the vocabulary of ${model.id}.
          ${suggestions.length ? html` Did you mean ${suggestions.map((other, index) => html`
            ${index ? ', ' : ''}<button type="button" class="link" key=${other} onClick=${() => onReplace(word, other)}>${other}</button>`)}?`
    : ' Check how it is spelled, or take another word.'}</p>`)}
      ${unknown.length > MAX_SHOWN && html`<p>${unknown.length - MAX_SHOWN} more words are not in it: ${unknown.slice(MAX_SHOWN).map(({ word }) => shortened(word, LONGEST)).join(', ')}.</p>`}
    </div>`;
}
