/** An error in the server's words, with what can be done. */
import { html } from '../vendor/preact.js';
import { ServerMessage } from './server_message.js';

/** @type {Record<import('../server/errors.js').ErrorKind, string>} */
const MEANING = {
  unreachable: 'The server cannot be reached. ',
  timeout: 'The server took too long. ',
  busy: 'The server has too much to do. ',
  'not ready': '',
  'not serving': '',
  quota: 'Too many requests. ',
  key: 'The server wants an API key. ',
  forbidden: 'The server does not allow this. ',
  invalid: '',
  fault: 'Something is wrong in the server. ',
};

/** @param {{ state: import('../server/use_answer.js').State, id?: string }} props */
export function Problem({ state, id }) {
  const { error, retryIn, retry } = state;
  if (!error) return null;
  return html`
    <div class="problem" id=${id} role="alert" data-kind=${error.kind}>
      ${MEANING[error.kind]}${error.kind !== 'unreachable' && html`<${ServerMessage} message=${error.message} />`}
      ${error.kind === 'not serving' && html` <a href="#/models">Models</a> shows what serves, and loads models.`}
      ${error.kind === 'fault' && error.requestId && ` The log names it by ${error.requestId}.`}
      ${(error.isTemporary || error.kind === 'fault' || error.kind === 'key') && html`
        <div class="buttons">
          ${retryIn !== null && html`<span aria-live="off">Asking again in ${retryIn} s.</span>`}
          <button type="button" class="button" onClick=${retry}>${error.kind === 'key' ? 'Enter a key' : 'Ask now'}</button>
        </div>`}
    </div>`;
}
