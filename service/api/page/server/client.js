/** The one module that knows how the server is called.
 *
 * @typedef {import('./types.js').Call} Call
 * @typedef {import('./types.js').Answer} Answer
 */
import { ServerError, errorOf } from './errors.js';

const KEY = 'lectern-key';
/** A server answers within its deadline, 30 s by default; whoever waits longer waits for nothing. */
const TIMEOUT_MS = 45_000;

/** The HTTP method of a call. @param {Call} call */
export const methodOf = (call) => call.method ?? (call.body === undefined && !call.file ? 'GET' : 'POST');

/** The server that the page came from. */
export class Server {
  #base;
  /** @type {Set<(event: ServerEvent) => void>} */
  #listeners = new Set();

  /** @param {string} base the address below which its routes are */
  constructor(base) {
    this.#base = base;
  }

  /** The address of a call. @param {Call} call */
  address(call) {
    const url = new URL(call.path, this.#base);
    for (const [name, value] of Object.entries(call.query ?? {})) url.searchParams.set(name, String(value));
    return url.href;
  }

  /** The API key, kept for this tab alone; null: none. */
  get key() {
    return sessionStorage.getItem(KEY);
  }

  set key(value) {
    if (value) sessionStorage.setItem(KEY, value);
    else sessionStorage.removeItem(KEY);
    this.#tell({ type: 'key' });
  }

  /** Tell the listeners that the server is there and ready: what failed while it was not can be asked again. */
  tellReady() {
    this.#tell({ type: 'ready' });
  }

  /** Call the listener after every answer and error. @param {(event: ServerEvent) => void} listener
   * @returns {() => void} ends it */
  listen(listener) {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  /** Send a call.
   * @param {Call} call
   * @param {{ signal?: AbortSignal, quiet?: boolean, timeoutMs?: number }} [options]
   *     quiet: its time is not shown as that of an answer. timeoutMs: how long an answer is waited for
   * @returns {Promise<Answer>}
   * @throws {ServerError} and AbortError, if the signal says so */
  async send(call, { signal, quiet = false, timeoutMs = TIMEOUT_MS } = {}) {
    const timeout = AbortSignal.timeout(timeoutMs);
    const began = performance.now();
    try {
      const response = await fetch(this.address(call), {
        method: methodOf(call),
        headers: this.#headers(call),
        body: call.file ? call.file.content : call.body === undefined ? undefined : JSON.stringify(call.body),
        signal: signal ? AbortSignal.any([signal, timeout]) : timeout,
        cache: 'no-store',
        credentials: 'omit',
      });
      const text = await response.text();
      if (!response.ok) throw errorOf(response, text);
      const isJson = (response.headers.get('content-type') ?? '').includes('json');
      const answer = {
        data: isJson ? JSON.parse(text) : text,
        call,
        headers: response.headers,
        milliseconds: performance.now() - began,
        stages: stagesOf(response.headers.get('server-timing') ?? ''),
      };
      this.#tell({ type: 'answer', answer, quiet });
      return answer;
    } catch (reason) {
      if (signal?.aborted) throw reason;
      const error = described(reason, timeoutMs);
      this.#tell({ type: 'error', error });
      throw error;
    }
  }

  /** @param {Call} call */
  #headers(call) {
    /** @type {Record<string, string>} */
    const headers = {};
    if (call.file) headers['content-type'] = call.file.type;
    else if (call.body !== undefined) headers['content-type'] = 'application/json';
    if (this.key) headers.authorization = `Bearer ${this.key}`;
    return headers;
  }

  /** @param {ServerEvent} event */
  #tell(event) {
    for (const listener of this.#listeners) listener(event);
  }
}

/** @typedef {{ type: 'answer', answer: Answer, quiet: boolean } | { type: 'error', error: ServerError }
 *     | { type: 'key' } | { type: 'ready' }} ServerEvent */

/** @param {unknown} reason what fetch or reading threw @param {number} timeoutMs how long the answer was waited for */
function described(reason, timeoutMs) {
  if (reason instanceof ServerError) return reason;
  if (reason instanceof DOMException && reason.name === 'TimeoutError') {
    return new ServerError('timeout', `the server did not answer within ${timeoutMs / 1000} seconds`);
  }
  if (reason instanceof SyntaxError) return new ServerError('fault', 'the server sent what is no JSON');
  return new ServerError('unreachable', 'the server cannot be reached');
}

/** The stages of a header such as `queue;dur=0.1, infer;dur=2.5`. @param {string} header */
function stagesOf(header) {
  return [...header.matchAll(/([\w-]+);dur=([\d.]+)/g)].map(([, name, value]) => ({ name, milliseconds: Number(value) }));
}
