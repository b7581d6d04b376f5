/** Names of languages, and texts to begin with: each has a word that could mean several things. */

/** @type {Record<string, string[]>} */
const EXAMPLES = {
  en: ['The bank was closed, so we sat by the river.', 'She plays the piano and he plays tennis.', 'I left my glasses at home.'],
  de: ['Ich saß auf der Bank und wartete auf den Zug.', 'Das Schloss war alt.', 'Wir haben uns gestern im Kino getroffen.'],
  fr: ["L'avocat a mangé un avocat."],
  es: ['El banco estaba cerrado.'],
  it: ['Il canto degli uccelli mi sveglia.'],
  nl: ['De bank was gesloten.'],
};

/** @param {string} language */
export const examplesOf = (language) => EXAMPLES[language] ?? [];

/** @param {string} language */
export const exampleOf = (language) => examplesOf(language)[0] ?? '';

/** @param {string} code such as de */
export function languageName(code) {
  try {
    return new Intl.DisplayNames(['en'], { type: 'language' }).of(code) ?? code;
  } catch {
    return code;
  }
}
