/** "Wrong? Write a better one": the translation of a text. */
import { html, useEffect, useState } from '../vendor/preact.js';
import { CorrectionForm, useCorrection } from './correction_form.js';

/** @param {{ model: import('../server/types.js').Model, text: string, translation: string }} props
 *     text: as it was sent. translation: the one to begin with, which may be an alternative */
export function CorrectTranslation({ model, text, translation }) {
  const input = `${model.id} ${text}`;
  const correction = useCorrection(input);
  // What was written stays where another translation of the same text is chosen.
  const [written, setWritten] = useState(/** @type {string | null} */ (null));
  useEffect(() => setWritten(null), [input]);
  const better = written ?? translation;
  const { source, target } = model.details;
  const save = () => correction.save({
    key: input, model: model.id, task: model.task, content: { text, translation: better, source, target },
  }, 'Saved in this browser.');
  return html`
    <${CorrectionForm} title="Wrong? Write a better one" correction=${correction}>
      <label class="field"><span class="label">A better translation</span>
        <textarea rows="3" lang=${target} value=${better} onInput=${(/** @type {any} */ event) => setWritten(event.target.value)}></textarea></label>
      <div class="buttons"><button type="button" class="button main" disabled=${!better.trim()} onClick=${save}>Save this translation</button></div>
    <//>`;
}
