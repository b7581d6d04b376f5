/** "Wrong? Choose the right one": the label of a picture. */
import { html } from '../vendor/preact.js';
import { CorrectionForm, useCorrection } from './correction_form.js';
import { UNKNOWN_TYPE, isReadable } from './picture_types.js';

/** Labels up to this many are buttons. */
const MAX_BUTTONS = 36;

/** @param {{ model: import('../server/types.js').Model, picture: { content: Blob, name: string, type: string },
 *     labels: string[] }} props picture: as it was sent */
export function CorrectLabel({ model, picture, labels }) {
  const correction = useCorrection(`${model.id} ${picture.name}`);
  const choose = async (/** @type {string} */ label) => label && correction.save({
    key: `${model.id} ${picture.name} ${picture.content.size}`, model: model.id, task: model.task,
    content: { label, picture: await picture.content.arrayBuffer(), type: picture.type },
  }, `Saved in this browser as ${label}.`);
  return html`
    <${CorrectionForm} title="Wrong? Choose the right one" correction=${correction}>
      ${!isReadable(picture.type) ? html`<p class="caption">${picture.type === UNKNOWN_TYPE ? 'The type of this picture is not known' : `The training reads no ${picture.type}`}: save it as PNG first.</p>`
    : labels.length > MAX_BUTTONS ? html`
        <label class="field"><span class="label">It is</span>
          <select class="select" onChange=${(/** @type {any} */ event) => choose(event.target.value)}>
            <option value="">choose</option>${labels.map((label) => html`<option key=${label} value=${label}>${label}</option>`)}</select></label>`
    : html`
        <div class="buttons" role="group" aria-label="It is">${labels.map((label) => html`
          <button key=${label} type="button" class="button" onClick=${() => choose(label)}>${label}</button>`)}</div>`}
    <//>`;
}
