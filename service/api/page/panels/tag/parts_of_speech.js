/** The universal parts of speech in words (Universal Dependencies 2). @type {Record<string, string>} */
export const PARTS_OF_SPEECH = {
  ADJ: 'adjective', ADP: 'preposition or the like', ADV: 'adverb', AUX: 'auxiliary verb', CCONJ: 'and, or and the like', DET: 'article or the like',
  INTJ: 'interjection', NOUN: 'noun', NUM: 'number', PART: 'particle', PRON: 'pronoun', PROPN: 'proper name', PUNCT: 'punctuation',
  SCONJ: 'conjunction of a clause', SYM: 'symbol', VERB: 'verb', X: 'other',
};
