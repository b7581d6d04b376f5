/** The control under an answer by which one corrects it. */
import { html, useEffect, useState } from '../vendor/preact.js';
import { forget, keep, messageOf } from './store.js';

/** @typedef {import('./store.js').Correction} Correction */

/** What a correction control needs: whether this input was corrected now, and how that is kept and taken back.
 * @param {string} input of the answer: another one begins anew
 * @returns {{ said: string, isKept: boolean, save: (correction: Correction, said: string) => Promise<void>, undo: () => Promise<void> }} */
export function useKeeper(input) {
  const [state, setState] = useState(/** @type {{ said: string, key: string | null }} */ ({ said: '', key: null }));
  useEffect(() => setState({ said: '', key: null }), [input]);
  return {
    said: state.said,
    isKept: state.key !== null,
    save: async (correction, said) => {
      try {
        await keep(correction);
        setState({ said, key: correction.key });
      } catch (error) {
        setState({ said: messageOf(error), key: null });
      }
    },
    undo: async () => {
      try {
        if (state.key !== null) await forget(state.key);
        setState({ said: 'Taken back.', key: null });
      } catch (error) {
        setState({ said: messageOf(error), key: state.key });
      }
    },
  };
}

/** @param {{ title: string, keeper: ReturnType<typeof useKeeper>, children?: any }} props title: what can be done */
export function Correct({ title, keeper, children }) {
  return html`
    <details class="correct">
      <summary class="caption">${title}</summary>
      <div class="stack inside">
        ${children}
        <div class="buttons"><span class="caption" role="status">${keeper.said}</span>
          ${keeper.isKept && html`<button type="button" class="button" onClick=${keeper.undo}>Take back</button>`}
          <a class="caption" href="#/teach">What was kept</a></div>
      </div>
    </details>`;
}
