/** The control under an answer by which one corrects it. */
import { html, useEffect, useState } from '../vendor/preact.js';
import { messageOf, remove as removeStored, save as saveStored } from './store.js';

/** @typedef {import('./store.js').Correction} Correction */

/** Saves the correction of one answer, and deletes it.
 * @param {string} input of the answer: another one begins anew
 * @returns {{ message: string, isSaved: boolean, save: (correction: Correction, message: string) => Promise<void>, remove: () => Promise<void> }}
 *     message: what happened last, for the user */
export function useCorrection(input) {
  const [state, setState] = useState(/** @type {{ message: string, key: string | null }} */ ({ message: '', key: null }));
  useEffect(() => setState({ message: '', key: null }), [input]);
  return {
    message: state.message,
    isSaved: state.key !== null,
    save: async (correction, message) => {
      try {
        await saveStored(correction);
        setState({ message, key: correction.key });
      } catch (error) {
        setState({ message: messageOf(error), key: null });
      }
    },
    remove: async () => {
      try {
        if (state.key !== null) await removeStored(state.key);
        setState({ message: 'Deleted.', key: null });
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
          ${correction.isSaved && html`<button type="button" class="button" onClick=${correction.remove}>Delete</button>`}
          <a class="caption" href="#/teach">Saved corrections</a></div>
      </div>
    </details>`;
}
