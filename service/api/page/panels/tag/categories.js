/** Which color of the palette of ten stands for a category. The label is always beside the color. */

/** Universal parts of speech: alike ones are near each other, punctuation and symbols have none.
 * @type {Record<string, number | null>} */
const UNIVERSAL = {
  NOUN: 0, PROPN: 9, PRON: 4, VERB: 3, AUX: 1, ADJ: 2, ADV: 8, DET: 5, NUM: 6, ADP: 7, PART: 7, CCONJ: 7, SCONJ: 7,
  INTJ: 6, PUNCT: null, SYM: null, X: null,
};
/** @type {Record<string, number>} */
const ENTITIES = { PER: 1, PERSON: 1, LOC: 0, GPE: 0, ORG: 2, MISC: 4, DATE: 9, TIME: 9 };

const COLORS = 10;

/** The custom property of a category's color; null: it has none.
 * @param {string} label a tag, or the label of an entity
 * @param {string[]} labels all of the model, in its order */
export function colorOf(label, labels) {
  const bare = label.replace(/^[BIES]-/, '');
  if (bare === 'O') return null;
  const known = bare in UNIVERSAL ? UNIVERSAL[bare] : ENTITIES[bare];
  if (known !== undefined) return known === null ? null : `--c${known}`;
  const all = [...new Set(labels.map((each) => each.replace(/^[BIES]-/, '')))].filter((each) => each !== 'O');
  return `--c${Math.max(0, all.indexOf(bare)) % COLORS}`;
}
