/** Words that are not in the vocabulary of a model, each with known ones that are spelled like it. */
import { useAnswer } from '../../server/use_answer.js';
import { html } from '../../vendor/preact.js';

/** Words whose spelling is looked up. */
const LOOKED_UP = 10;
const TYPING_MS = 300;

/** @param {{ server: import('../../server/client.js').Server, model: import('../../server/types.js').Model, words: string[],
 *     onReplace: (word: string, other: string) => void, children?: any }} props
 *     words: the known among them are not shown. onReplace: puts another word in the place of one. children: shown until the
 *     server has said which are unknown */
export function UnknownWords({ server, model, words, onReplace, children }) {
  const looked = [...new Set(words)].slice(0, LOOKED_UP);
  const { answer, pending } = useAnswer(server, looked.length ? {
    path: 'v1/neighbors', body: { model: model.id, version: model.version, words: looked, k: 1 },
  } : null, { delay: TYPING_MS });
  if (pending || !answer) return children ?? null;
  const sent = /** @type {any} */ (answer.call.body).words;
  const unknown = answer.data.results.flatMap((/** @type {any} */ result, /** @type {number} */ index) => (
    result.unknown ? [{ word: sent[index], suggestions: result.suggestions ?? [] }] : []));
  if (!unknown.length) return children ?? null;
  return html`
    <div class="problem" role="alert">
      ${unknown.map((/** @type {{ word: string, suggestions: string[] }} */ { word, suggestions }) => html`
        <p key=${word}>“${word}” is not in the vocabulary of ${model.id}.
          ${suggestions.length ? html` Did you mean ${suggestions.map((other, index) => html`
            ${index ? ', ' : ''}<button type="button" class="link" key=${other} onClick=${() => onReplace(word, other)}>${other}</button>`)}?`
    : ' Check how it is spelled, or take another word.'}</p>`)}
      ${words.length > LOOKED_UP && html`<p>Of the other ${words.length - LOOKED_UP} words look at the spelling too.</p>`}
    </div>`;
}
