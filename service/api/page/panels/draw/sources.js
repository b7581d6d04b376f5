/** Other ways to a picture than drawing one: a file, the camera, what is dropped or pasted. */
import { html, useEffect, useRef } from '../../vendor/preact.js';

/** @param {{ onFile: (file: File) => void, onMessage: (text: string) => void }} props
 *     onMessage: hears what to say to a paste or drop of which there is no picture, or not all, to show */
export function Sources({ onFile, onMessage }) {
  const file = useRef(/** @type {HTMLInputElement | null} */ (null));
  const camera = useRef(/** @type {HTMLInputElement | null} */ (null));
  const take = (/** @type {any} */ event) => {
    const chosen = event.target.files?.[0];
    if (chosen) onFile(chosen);
    event.target.value = ''; // so that the same file can be chosen once more
  };
  useEffect(() => {
    const receive = (/** @type {DataTransfer | null} */ data, /** @type {string} */ verb) => {
      const [first, ...others] = data?.files ?? [];
      if (first) onFile(first);
      if (!first) onMessage(`What was ${verb} is ${kindOf(data)}, not a picture. Copy the picture itself, or save it and open the file.`);
      else if (others.length) onMessage(`${others.length + 1} files were ${verb}. Only the first is read: ${first.name}.`);
    };
    const paste = (/** @type {ClipboardEvent} */ event) => {
      const field = /** @type {Element} */ (event.target).closest?.('input, textarea, select');
      if (!field) receive(event.clipboardData, 'pasted');
    };
    const over = (/** @type {DragEvent} */ event) => event.preventDefault();
    const drop = (/** @type {DragEvent} */ event) => {
      event.preventDefault();
      receive(event.dataTransfer, 'dropped');
    };
    document.addEventListener('paste', paste);
    document.addEventListener('dragover', over);
    document.addEventListener('drop', drop);
    return () => {
      document.removeEventListener('paste', paste);
      document.removeEventListener('dragover', over);
      document.removeEventListener('drop', drop);
    };
  }, [onFile, onMessage]);
  return html`
    <button type="button" class="button" onClick=${() => file.current?.click()}>Open a picture …</button>
    <input ref=${file} type="file" accept="image/*" class="hidden-text" tabindex="-1" aria-label="A picture from a file" onChange=${take} />
    <button type="button" class="button camera" onClick=${() => camera.current?.click()}>Take a photo</button>
    <input ref=${camera} type="file" accept="image/*" capture="environment" class="hidden-text" tabindex="-1" aria-label="A picture from the camera" onChange=${take} />`;
}

/** What was pasted or dropped in place of a file. @param {DataTransfer | null} data */
function kindOf(data) {
  const text = data?.getData('text/plain').trim() ?? '';
  if (data?.getData('text/uri-list') || /^https?:\/\/\S+$/.test(text)) return 'a link';
  return text ? 'text' : 'empty';
}
