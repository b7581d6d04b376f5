/** The nearest words of a question, and which of its words the model does not know. */
import { useAnswer } from '../../server/use_answer.js';
import { useUnknownWords } from './unknown_words.js';

const TYPING_MS = 250;
/** @type {string[]} */
const NONE = [];

/** @typedef {import('../../server/types.js').Model} Model */

/** Of one word the answer says that it is unknown; a sum or a list is refused at its first unknown word. A sum needs all of its
 * words; of a list those that are known are asked for then.
 * @param {import('../../server/client.js').Server} server @param {Model} model @param {import('./parse.js').Question} question
 * @param {number} k words are asked for
 * @returns {{ state: import('../../server/use_answer.js').State, words: string[], unknown: import('./unknown_words.js').Unknown[] | null, hasUnknown: boolean }}
 *     state: of the call that is answered. words: of the question, without those that are left out. unknown: null until it is known.
 *     hasUnknown: whether a word is not in the vocabulary */
export function useNeighbors(server, model, question, k) {
  const { positive, negative } = question.kind === 'none' ? { positive: NONE, negative: NONE } : question;
  const whole = useAnswer(server, question.kind === 'none' ? null : callOf(model, question.kind, positive, negative, k), { delay: TYPING_MS });
  const hasUnknown = Boolean(whole.answer?.data.results[0]?.unknown)
    || (whole.error?.kind === 'invalid' && /^(positive|negative)\[/.test(whole.error.field ?? ''));
  const unknown = useUnknownWords(server, model, hasUnknown ? [...positive, ...negative] : NONE);
  const known = question.kind === 'several' && unknown ? positive.filter((word) => !unknown.some((each) => each.word === word)) : NONE;
  const isPart = known.length > 0 && known.length < positive.length;
  const part = useAnswer(server, isPart ? callOf(model, 'several', known, NONE, k) : null);
  return { state: isPart ? part : whole, words: isPart ? known : [...new Set([...positive, ...negative])], unknown, hasUnknown };
}

/** @param {Model} model @param {string} kind of the question @param {string[]} positive @param {string[]} negative @param {number} k */
function callOf(model, kind, positive, negative, k) {
  const named = { model: model.id, version: model.version };
  return { path: 'v1/neighbors', body: kind === 'word' ? { ...named, words: positive, k } : { ...named, positive, negative, k } };
}
