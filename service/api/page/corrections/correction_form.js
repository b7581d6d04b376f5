/** The control under an answer by which one corrects it. */
import { html, useEffect, useState } from '../vendor/preact.js';
import { messageOf, remove, save } from './store.js';

/** @typedef {import('./store.js').Correction} Correction */

/** Keeps the correction of one answer, and takes it back.
 * @param {string} input of the answer: another one begins anew
 * @returns {{ message: string, isSaved: boolean, keep: (correction: Correction, message: string) => Promise<void>, undo: () => Promise<void> }}
 *     message: what happened last, for the user */
export function useCorrection(input) {
  const [state, setState] = useState(/** @type {{ message: string, key: string | null }} */ ({ message: '', key: null }));
  useEffect(() => setState({ message: '', key: null }), [input]);
  return {
    message: state.message,
    isSaved: state.key !== null,
    keep: async (correction, message) => {
      try {
        await save(correction);
        setState({ message, key: correction.key });
      } catch (error) {
        setState({ message: messageOf(error), key: null });
      }
    },
    undo: async () => {
      try {
        if (state.key !== null) await remove(state.key);
        setState({ message: 'Taken back.', key: null });
      } catch (error) {
        setState({ message: messageOf(error), key: state.key });
      }
    },
  };
}

/** @param {{ title: string, correction: ReturnType<typeof useCorrection>, children?: any }} props title: what can be done */
export function CorrectionForm({ title, correction, children }) {
  return html`
    <details class="correct">
      <summary class="caption">${title}</summary>
      <div class="stack inside">
        ${children}
        <div class="buttons"><span class="caption" role="status">${correction.message}</span>
          ${correction.isSaved && html`<button type="button" class="button" onClick=${correction.undo}>Take back</button>`}
          <a class="caption" href="#/teach">What was kept</a></div>
      </div>
    </details>`;
}
