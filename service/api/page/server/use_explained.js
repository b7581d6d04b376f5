/** An answer with its explanation, or without one where the server or the model has none.
 *
 * @typedef {import('./types.js').Call} Call
 */
import { useEffect, useRef, useState } from '../vendor/preact.js';
import { useAnswer } from './use_answer.js';

/** `useAnswer` of a call with `explain`; once the server refuses that field, of the call without it.
 * @param {import('./client.js').Server} server
 * @param {Call | null} call with a JSON object as its body, or with a file
 * @param {{ delay?: number, field?: string, finish?: boolean }} [options] field: what asks for the explanation
 * @returns {import('./use_answer.js').State & { explains: boolean }} explains: false once it was refused */
export function useExplained(server, call, { delay = 0, field = 'explain', finish = false } = {}) {
  const model = String(/** @type {any} */ (call?.body)?.model ?? call?.query?.model ?? '');
  const [refused, setRefused] = useState(/** @type {Record<string, boolean>} */ ({}));
  const explains = !refused[model];
  const full = call && explains ? asking(call, field) : call;
  const state = useAnswer(server, full, { delay, finish });
  const { error } = state;
  const asked = useRef('');
  const isRefusal = explains && error?.kind === 'invalid' && error.field === field;
  useEffect(() => {
    if (isRefusal && asked.current !== model) setRefused((old) => ({ ...old, [model]: true }));
  }, [isRefusal, model]);
  return isRefusal ? { ...state, error: null, pending: true, explains } : { ...state, explains };
}

/** @param {Call} call @param {string} field @returns {Call} */
const asking = (call, field) => (call.file ? { ...call, query: { ...call.query, [field]: true } }
  : { ...call, body: { .../** @type {object} */ (call.body), [field]: true } });
