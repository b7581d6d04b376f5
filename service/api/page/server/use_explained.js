/** An answer with its explanation, or without one where the server or the model has none, or the input is too long for it.
 *
 * @typedef {import('./types.js').Call} Call
 */
import { useEffect, useRef, useState } from '../vendor/preact.js';
import { useAnswer } from './use_answer.js';

/** In the error of a text that is too long to be explained; a model that explains nothing is refused without it. */
const LIMIT = /LECTERN_MAX_EXPLAINED_\w+/;

/** `useAnswer` of a call with `explain`; once the server refuses that field, of the call without it: that of a model ever
 * after, and where only the input is too long for it, until the input changes.
 * @param {import('./client.js').Server} server
 * @param {Call | null} call with a JSON object as its body, or with a file
 * @param {{ delay?: number, finish?: boolean, targetLabel?: string | null }} [options] of `useAnswer`; targetLabel: of an image, the
 *     label whose evidence is asked for; by default the best
 * @returns {import('./use_answer.js').State & { explains: boolean, isTooLong: boolean }} explains: false once it was refused;
 *     isTooLong: for the length of the input */
export function useExplained(server, call, options) {
  const model = String(/** @type {any} */ (call?.body)?.model ?? call?.query?.model ?? '');
  const [refused, setRefused] = useState(/** @type {Record<string, boolean>} */ ({}));
  const [tooLong, setTooLong] = useState('');
  const input = call?.body ? JSON.stringify(call.body) : '';
  const isTooLong = tooLong !== '' && tooLong === input;
  const explains = !refused[model] && !isTooLong;
  const full = call && explains ? withExplain(call, options?.targetLabel) : call;
  const state = useAnswer(server, full, options);
  const { error } = state;
  // Also while the call without it is on its way.
  const isRefusal = error?.kind === 'invalid' && error.field === 'explain';
  const isLimit = isRefusal && LIMIT.test(error.message);
  const handled = useRef(/** @type {import('./errors.js').ServerError | null} */ (null));
  useEffect(() => {
    if (!isRefusal || handled.current === error) return;
    handled.current = error;
    if (isLimit) setTooLong(input);
    else setRefused((old) => ({ ...old, [model]: true }));
  }, [error]);
  return isRefusal ? { ...state, error: null, pending: true, explains, isTooLong } : { ...state, explains, isTooLong };
}

/** @param {Call} call @param {string | null} [targetLabel] @returns {Call} */
const withExplain = (call, targetLabel) => (call.file
  ? { ...call, query: { ...call.query, explain: true, ...(targetLabel ? { target_label: targetLabel } : {}) } }
  : { ...call, body: { .../** @type {object} */ (call.body), explain: true } });
