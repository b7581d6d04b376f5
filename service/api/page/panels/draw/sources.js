/** Other ways to a picture than drawing one: a file, the camera, what is dropped or pasted. */
import { html, useEffect, useRef } from '../../vendor/preact.js';

/** @param {{ onFile: (file: File) => void }} props */
export function Sources({ onFile }) {
  const file = useRef(/** @type {HTMLInputElement | null} */ (null));
  const camera = useRef(/** @type {HTMLInputElement | null} */ (null));
  const take = (/** @type {any} */ event) => {
    const chosen = event.target.files?.[0];
    if (chosen) onFile(chosen);
    event.target.value = ''; // so that the same file can be chosen once more
  };
  useEffect(() => {
    const first = (/** @type {DataTransfer | null} */ data) => [...(data?.files ?? [])][0];
    const paste = (/** @type {ClipboardEvent} */ event) => {
      const chosen = first(event.clipboardData);
      if (chosen) onFile(chosen);
    };
    const over = (/** @type {DragEvent} */ event) => event.preventDefault();
    const drop = (/** @type {DragEvent} */ event) => {
      event.preventDefault();
      const chosen = first(event.dataTransfer);
      if (chosen) onFile(chosen);
    };
    document.addEventListener('paste', paste);
    document.addEventListener('dragover', over);
    document.addEventListener('drop', drop);
    return () => {
      document.removeEventListener('paste', paste);
      document.removeEventListener('dragover', over);
      document.removeEventListener('drop', drop);
    };
  }, [onFile]);
  return html`
    <button type="button" class="button" onClick=${() => file.current?.click()}>Open a picture …</button>
    <input ref=${file} type="file" accept="image/*" class="hidden-text" tabindex="-1" aria-label="A picture from a file" onChange=${take} />
    <button type="button" class="button camera" onClick=${() => camera.current?.click()}>Take a photo</button>
    <input ref=${camera} type="file" accept="image/*" capture="environment" class="hidden-text" tabindex="-1" aria-label="A picture from the camera" onChange=${take} />`;
}
