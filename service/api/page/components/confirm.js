/** A question before something that others would notice. */
import { html, useEffect, useRef } from '../vendor/preact.js';

/** @param {{ title: string, action: string, onConfirm: () => void, onClose: () => void, children?: any }} props
 *     title: the question. action: what the button says that does it. children: what it means */
export function Confirm({ title, action, onConfirm, onClose, children }) {
  const dialog = useRef(/** @type {HTMLDialogElement | null} */ (null));
  useEffect(() => void dialog.current?.showModal(), []);
  const confirm = () => {
    onClose();
    onConfirm();
  };
  return html`
    <dialog ref=${dialog} class="stack" aria-labelledby="confirm-title" onClose=${onClose}>
      <h2 id="confirm-title">${title}</h2>
      <p>${children}</p>
      <div class="buttons">
        <button class="button" type="button" autofocus onClick=${() => dialog.current?.close()}>Cancel</button>
        <button class="button main" type="button" onClick=${confirm}>${action}</button>
      </div>
    </dialog>`;
}
