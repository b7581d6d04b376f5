/** An answer with its explanation, or without one where the server or the model has none.
 *
 * @typedef {import('./types.js').Call} Call
 */
import { useEffect, useState } from '../vendor/preact.js';
import { useAnswer } from './use_answer.js';

/** `useAnswer` of a call with `explain`; once the server refuses that field, of the call without it.
 * @param {import('./client.js').Server} server
 * @param {Call | null} call with a JSON object as its body, or with a file
 * @param {{ delay?: number, finish?: boolean }} [options] of `useAnswer`
 * @returns {import('./use_answer.js').State & { explains: boolean }} explains: false once it was refused */
export function useExplained(server, call, options) {
  const model = String(/** @type {any} */ (call?.body)?.model ?? call?.query?.model ?? '');
  const [refused, setRefused] = useState(/** @type {Record<string, boolean>} */ ({}));
  const explains = !refused[model];
  const full = call && explains ? withExplain(call) : call;
  const state = useAnswer(server, full, options);
  const { error } = state;
  const isRefusal = explains && error?.kind === 'invalid' && error.field === 'explain';
  useEffect(() => {
    if (isRefusal) setRefused((old) => ({ ...old, [model]: true }));
  }, [isRefusal, model]);
  return isRefusal ? { ...state, error: null, pending: true, explains } : { ...state, explains };
}

/** @param {Call} call @returns {Call} */
const withExplain = (call) => (call.file ? { ...call, query: { ...call.query, explain: true } }
  : { ...call, body: { .../** @type {object} */ (call.body), explain: true } });
