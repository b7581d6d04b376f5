/** The address: which panel, and its input. `#/tag?text=Time+flies`.
 *
 * @typedef {{ panel: string, query: URLSearchParams }} Address
 */
import { useCallback, useEffect, useRef, useState } from '../vendor/preact.js';

/** Browsers refuse to write the address all the time, as while typing. */
const WRITE_MS = 250;

/** @param {string} hash @returns {Address} */
export function parseAddress(hash) {
  const [path, query = ''] = hash.replace(/^#?\/?/, '').split(/\?(.*)/s);
  return { panel: path, query: new URLSearchParams(query) };
}

/** @param {string} panel @param {URLSearchParams} [query] */
export function addressOf(panel, query) {
  const text = query?.toString() ?? '';
  return `#/${panel}${text && `?${text}`}`;
}

/** The address of the window, and how it is changed.
 * @returns {{ address: Address, go: (address: Address, push: boolean) => void }} */
export function useAddress() {
  const [address, setAddress] = useState(() => parseAddress(location.hash));
  const timer = useRef(/** @type {ReturnType<typeof setTimeout> | undefined} */ (undefined));

  useEffect(() => {
    const read = () => {
      clearTimeout(timer.current);
      setAddress(parseAddress(location.hash));
    };
    addEventListener('popstate', read);
    return () => removeEventListener('popstate', read);
  }, []);

  const go = useCallback((/** @type {Address} */ next, /** @type {boolean} */ push) => {
    setAddress(next);
    clearTimeout(timer.current);
    const hash = addressOf(next.panel, next.query);
    if (push) history.pushState(null, '', hash);
    else timer.current = setTimeout(() => history.replaceState(null, '', hash), WRITE_MS);
  }, []);

  return { address, go };
}
