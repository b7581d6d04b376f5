/** What this browser remembers of how one likes the page: open folds, the projector's size. Never an input or a key. */
import { useCallback, useState } from '../vendor/preact.js';

const PREFIX = 'lectern:';

/** A switch that the browser remembers.
 * @param {string} name @param {boolean} initial
 * @returns {[boolean, (value: boolean) => void]} */
export function usePreference(name, initial) {
  const [value, setValue] = useState(() => read(name) ?? initial);
  const change = useCallback((/** @type {boolean} */ next) => {
    setValue(next);
    try {
      localStorage.setItem(PREFIX + name, next ? '1' : '0');
    } catch {
      // A browser that keeps nothing for pages: the switch works until the page is left.
    }
  }, [name]);
  return [value, change];
}

/** @param {string} name @returns {boolean | null} */
function read(name) {
  try {
    const text = localStorage.getItem(PREFIX + name);
    return text === null ? null : text === '1';
  } catch {
    return null;
  }
}
