/** Asks for an API key, where the server wants one. */
import { sentence } from '../components/text.js';
import { html, useEffect, useRef, useState } from '../vendor/preact.js';

/** @param {{ server: import('../server/client.js').Server, message: string, onClose: () => void }} props */
export function KeyPrompt({ server, message, onClose }) {
  const dialog = useRef(/** @type {HTMLDialogElement | null} */ (null));
  const [key, setKey] = useState('');
  useEffect(() => void dialog.current?.showModal(), []);
  const submit = (/** @type {Event} */ event) => {
    event.preventDefault();
    onClose();
    server.key = key.trim();
  };
  return html`
    <dialog ref=${dialog} aria-labelledby="key-title" onClose=${onClose}>
      <form class="stack" onSubmit=${submit}>
        <h2 id="key-title">This server wants an API key</h2>
        <p class="caption" role="alert">${server.key ? sentence(message) : 'Whoever runs the server, perhaps your teacher, has one for you.'}</p>
        <label class="field"><span class="label">API key</span>
          <input type="password" autocomplete="off" spellcheck=${false} required value=${key}
            onInput=${(/** @type {any} */ event) => setKey(event.target.value)} /></label>
        <p class="caption">It is kept for this tab alone, and sent to this server alone. Whoever runs the server makes
          keys with <code>lectern keys new NAME</code>.</p>
        <div class="buttons">
          <button class="button main" type="submit">Use the key</button>
          <button class="button" type="button" onClick=${() => dialog.current?.close()}>Not now</button>
        </div>
      </form>
    </dialog>`;
}
