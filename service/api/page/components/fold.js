/** A part of a panel that is folded open by one click, and remembered. */
import { usePreference } from '../frame/preference.js';
import { html, useEffect } from '../vendor/preact.js';

/** @param {{ name: string, title: string, open?: boolean, onOpen?: (isOpen: boolean) => void, children?: any }} props
 *     name: by which the browser remembers it, as in tag/why. onOpen: hears whether it is open, at first and when that
 *     changes. Its children are rendered while it is open only if they are a function */
export function Fold({ name, title, open = false, onOpen, children }) {
  const [isOpen, setOpen] = usePreference(`fold/${name}`, open);
  useEffect(() => onOpen?.(isOpen), [isOpen, onOpen]);
  return html`
    <details class="fold" open=${isOpen} onToggle=${(/** @type {any} */ event) => setOpen(event.currentTarget.open)}>
      <summary><h2>${title}</h2></summary>
      <div class="inside">${typeof children === 'function' ? isOpen && children() : children}</div>
    </details>`;
}
