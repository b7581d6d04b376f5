/** What goes wrong between page and server, in the server's words where it has some.
 *
 * @typedef {'unreachable' | 'timeout' | 'busy' | 'not ready' | 'not serving' | 'quota' | 'key' | 'forbidden' | 'invalid' | 'fault'} ErrorKind
 *     not ready: the model or the server, for now. not serving: the model, until it is loaded
 */

/** An answer that is an error, or none at all. */
export class ServerError extends Error {
  /**
   * @param {ErrorKind} kind
   * @param {string} message
   * @param {{ status?: number, field?: string | null, retryAfter?: number | null, requestId?: string | null }} [details]
   *     retryAfter: seconds until another try makes sense
   */
  constructor(kind, message, { status = 0, field = null, retryAfter = null, requestId = null } = {}) {
    super(message);
    this.kind = kind;
    this.status = status;
    this.field = field;
    this.retryAfter = retryAfter;
    this.requestId = requestId;
  }

  /** Whether the same call may succeed later by itself. */
  get isTemporary() {
    return ['unreachable', 'timeout', 'busy', 'not ready', 'quota'].includes(this.kind);
  }

  /** Whether other models or versions serve than the page knows. */
  get isAboutModels() {
    return this.kind === 'not serving' || (this.status === 404 && /^(no model|(no )?version) /.test(this.message));
  }
}

/** @type {Record<number, ErrorKind>} */
const KINDS = { 401: 'key', 403: 'forbidden', 429: 'quota', 502: 'unreachable', 503: 'busy', 504: 'timeout' };

/** @param {Response} response @param {string} text its body */
export function errorOf(response, text) {
  const content = parsed(text);
  const message = content?.detail ?? content?.error?.message ?? content?.error ?? '';
  const seconds = Number(response.headers.get('retry-after') ?? NaN);
  return new ServerError(kindOf(response.status, String(message)), String(message) || `the server answered ${response.status} ${response.statusText}`, {
    status: response.status,
    field: content?.field ?? content?.error?.param ?? null,
    retryAfter: Number.isFinite(seconds) ? seconds : null,
    requestId: response.headers.get('x-request-id'),
  });
}

/** @param {number} status @param {string} message @returns {ErrorKind} */
function kindOf(status, message) {
  if (status === 503) {
    const reason = /^model '.+' is not ready: (.*)$/s.exec(message)?.[1];
    if (reason !== undefined && reason !== 'it is loading') return 'not serving';
    if (/not ready|shutting down|was unloaded/.test(message)) return 'not ready';
  }
  return KINDS[status] ?? (status >= 500 ? 'fault' : 'invalid');
}

/** @param {string} text */
function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
