/** Texts to begin with: each has something to look at. */

/** @typedef {import('../../server/types.js').Model} Model */

const NAMES = [
  'Ada Lovelace met Charles Babbage in London, long before IBM and Google were founded.',
  'Paris Hilton stayed at the Hilton in Paris.',
  'Washington was born in Virginia; the team from Washington lost.',
];
/** @type {Record<string, string[]>} */
const PARTS_OF_SPEECH = {
  en: ['Time flies like an arrow; fruit flies like a banana.', 'The old man the boat.', 'They refuse to permit us to obtain the refuse permit.'],
  fr: ['La petite brise la glace.', 'Le chat de la voisine dort sur le canapé.', 'Les poules du couvent couvent.'],
  de: ['Wenn Fliegen hinter Fliegen fliegen, fliegen Fliegen Fliegen nach.', 'Der Hund, der bellt, beißt nicht.'],
  es: ['El vino vino de España.'],
  it: ['La vecchia porta la sbarra.'],
  nl: ['Als vliegen achter vliegen vliegen, vliegen vliegen vliegen achterna.'],
};

/** @param {Model} model */
export function examplesOf(model) {
  const language = /-([a-z]{2})$/.exec(model.id)?.[1] ?? 'en';
  if (model.details.kind === 'spans') return language === 'en' ? NAMES : [];
  return PARTS_OF_SPEECH[language] ?? [];
}

/** @param {Model} model */
export const exampleOf = (model) => examplesOf(model)[0] ?? '';
