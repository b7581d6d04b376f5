/** Words that are not in the vocabulary and whose vectors the server composes of their n-grams: how they are marked, and what it means. */
import { shortened } from '../../components/text.js';
import { html } from '../../vendor/preact.js';

/** Words that a sentence names. */
const MAX_NAMED = 10;
/** Characters of a word that are shown in a sentence. */
const LONGEST = 60;

/** @typedef {import('../../server/types.js').Model} Model */

/** What vectors are composed of, such as "groups of 3 to 6 letters". @param {Model} model */
function partsOf(model) {
  const { min_ngram: least, max_ngram: most } = model.details.subwords ?? {};
  if (!least) return 'groups of letters';
  return `groups of ${least === most ? least : `${least} to ${most}`} letters`;
}

/** A word, with a dotted underline if its vector is composed. @param {{ word: string, isComposed: boolean }} props */
export function Word({ word, isComposed }) {
  return isComposed ? html`<span class="composed">${word}<span class="hidden-text"> (composed)</span></span>` : word;
}

/** Words as an enumeration, each underlined as it is in what is drawn. @param {{ words: string[] }} props */
function Named({ words }) {
  const shown = words.slice(0, MAX_NAMED).map((word) => shortened(word, LONGEST));
  const more = words.length > MAX_NAMED ? [`${words.length - MAX_NAMED} more`] : [];
  let index = 0;
  return new Intl.ListFormat('en').formatToParts([...shown, ...more]).map(({ type, value }) => {
    if (type === 'literal') return value;
    index += 1;
    return index > shown.length ? value : html`<span key=${index} class="composed">${value}</span>`;
  });
}

/** What a model with n-grams does with words that it does not know; nothing for others. @param {{ model: Model }} props */
export function AboutParts({ model }) {
  return model.details.subwords ? ` A word that is not among them gets a vector that is composed of those of its parts, ${partsOf(model)}.` : null;
}

/** That words are composed, and what it means, for a person who asked for them. @param {{ model: Model, words: string[] }} props */
export function ComposedNote({ model, words }) {
  if (!words.length) return null;
  const isOne = words.length === 1;
  return html`<p class="caption"><${Named} words=${words} /> ${isOne ? 'is' : 'are'} not in the vocabulary of ${model.id}: it has not learned how
    ${isOne ? ' the word is' : ' these words are'} used. ${isOne ? 'Its vector is' : 'Their vectors are'} composed of those of
    ${isOne ? ' its' : ' their'} parts, ${partsOf(model)}.</p>`;
}

/** What the dotted underline of words in a view means. @param {{ model: Model, words: string[] }} props */
export function ComposedLegend({ model, words }) {
  if (!words.length) return null;
  return html`<p class="caption"><${Named} words=${words} />: not in the vocabulary, composed of ${partsOf(model)}.</p>`;
}
