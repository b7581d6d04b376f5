/** Keeps an answer up to date with an input that changes.
 *
 * @typedef {import('./types.js').Call} Call
 * @typedef {import('./types.js').Answer} Answer
 * @typedef {import('./client.js').Server} Server
 *
 * @typedef {object} State
 * @property {Answer | null} answer the last one; it stays while the next is on its way or the server is away
 * @property {import('./errors.js').ServerError | null} error of the newest call
 * @property {boolean} pending a call is on its way or about to be sent
 * @property {boolean} slow it has been for more than 300 ms
 * @property {number | null} retryIn seconds until the call is sent again by itself
 * @property {() => void} retry send it now
 */
import { useCallback, useEffect, useLayoutEffect, useRef, useState } from '../vendor/preact.js';

const SLOW_MS = 300;
/** Waits between tries where the server names none, in seconds. */
const BACKOFF = [1, 2, 4, 8, 15];
/** Until a call to a model that does not serve is sent again. */
const MODEL_SECONDS = 3;

/** The answer to a call.
 *
 * @param {Server} server
 * @param {Call | null} call null: nothing is asked, and the last answer is dropped
 * @param {{ delay?: number, finish?: boolean }} [options]
 *     delay: milliseconds for which the call must stay the same before it is sent, as while typing; not for the first
 *     finish: let a call on its way finish and send the newest next, as while drawing; otherwise it is abandoned
 * @returns {State} */
export function useAnswer(server, call, { delay = 0, finish = false } = {}) {
  const [state, setState] = useState(/** @type {Omit<State, 'retry'>} */ ({
    answer: null, error: null, pending: call !== null, slow: false, retryIn: null,
  }));
  const change = useCallback((/** @type {Partial<State>} */ part) => setState((old) => ({ ...old, ...part })), []);
  const [attempt, setAttempt] = useState(0);
  const running = useRef(/** @type {Promise<void> | null} */ (null));
  const tries = useRef(0);
  /** The attempt that was made last; null: none. */
  const attempted = useRef(/** @type {number | null} */ (null));
  const identity = call && JSON.stringify([call.path, call.query, call.body, call.file && nameOf(call.file)]);

  useLayoutEffect(() => void (tries.current = 0), [identity]);

  // Not an ordinary effect, which waits for the next frame: the call is to be on its way by then.
  useLayoutEffect(() => {
    if (!call) {
      change({ answer: null, error: null, pending: false, slow: false, retryIn: null });
      return undefined;
    }
    const abort = new AbortController();
    /** @type {ReturnType<typeof setTimeout>[]} */
    const timers = [];
    const send = async () => {
      const slow = setTimeout(() => change({ slow: true }), SLOW_MS);
      timers.push(slow);
      if (finish && running.current) await running.current;
      if (abort.signal.aborted) return;
      try {
        const answer = await server.send(call, finish ? {} : { signal: abort.signal });
        tries.current = 0;
        change({ answer, ...(abort.signal.aborted ? {} : { error: null, pending: false, slow: false, retryIn: null }) });
      } catch (reason) {
        if (abort.signal.aborted && !finish) return;
        const error = /** @type {import('./errors.js').ServerError} */ (reason);
        if (abort.signal.aborted) {
          if (error.isTemporary) change({ error }); // It concerns the newest call as well.
          return;
        }
        // What the server refuses has no answer, and that of another input must not stand for it; where it refuses to explain
        // it alone, `useExplained` asks once more.
        const answer = error.kind === 'invalid' && error.field !== 'explain' ? { answer: null } : {};
        change({ error, ...answer, pending: false, slow: false, retryIn: retryOf(error, tries) });
      } finally {
        clearTimeout(slow);
      }
    };
    const start = () => {
      const sent = send().finally(() => { if (running.current === sent) running.current = null; });
      running.current = sent;
    };
    // Nobody types yet, or a retry is due. After an error that passes, an input that changes all the time asks no sooner than
    // the server wants.
    const isDue = attempted.current !== attempt;
    const pause = isDue ? 0 : state.error?.isTemporary ? 1000 * wait(state.error, 0) : delay;
    attempted.current = attempt;
    if (pause) timers.push(setTimeout(start, pause));
    else start();
    // The same state again renders nothing again.
    setState((old) => (old.pending && old.retryIn === null ? old : { ...old, pending: true, retryIn: null }));
    return () => {
      abort.abort();
      timers.forEach(clearTimeout);
    };
  }, [identity, attempt, server, delay, finish]);

  useEffect(() => {
    if (state.retryIn === null) return undefined;
    const seconds = state.retryIn;
    const timer = setTimeout(() => (seconds > 1 ? change({ retryIn: seconds - 1 }) : setAttempt((n) => n + 1)), 1000);
    return () => clearTimeout(timer);
  }, [state.retryIn]);

  // A new key may be what the last call lacked, or the server itself.
  const waits = useRef(false);
  waits.current = Boolean(state.error?.isTemporary);
  useEffect(() => server.listen(({ type }) => {
    if (type === 'key' || (type === 'ready' && waits.current)) setAttempt((n) => n + 1);
  }), [server]);

  return { ...state, retry: useCallback(() => setAttempt((n) => n + 1), []) };
}

/** What tells a file from another, without its bytes. @param {NonNullable<Call['file']>} file */
const nameOf = ({ name, content }) => [name, content.size, content instanceof File ? content.lastModified : 0];

/** @param {import('./errors.js').ServerError} error @param {{ current: number }} tries without an answer, which is counted up
 * @returns {number | null} seconds until the call is sent again by itself */
function retryOf(error, tries) {
  if (error.isTemporary) return wait(error, tries.current++);
  // The frame reads the list of models again. Where the model is in it, it serves by now, and the call is the same.
  return error.isAboutModels ? MODEL_SECONDS : null;
}

/** @param {import('./errors.js').ServerError} error @param {number} tries */
function wait(error, tries) {
  return Math.max(1, Math.ceil(error.retryAfter ?? BACKOFF[Math.min(tries, BACKOFF.length - 1)]));
}
