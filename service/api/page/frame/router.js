/** The address: which panel, and its input. `#/tag?text=Time+flies`.
 *
 * @typedef {{ panel: string, query: URLSearchParams }} Address
 */
import { useCallback, useEffect, useMemo, useRef, useState } from '../vendor/preact.js';

/** Browsers refuse to write the address all the time, as while typing. */
const WRITE_MS = 250;
/** Characters of an address that every browser opens; programs that links are sent with cut longer ones. */
const MAX_LENGTH = 8_000;

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

/** An address as it is written: the longest values are left out until the rest is short enough for a link.
 * @param {Address} address @returns {{ hash: string, omitted: Record<string, string> }} omitted: the values that are not in it */
export function shortAddress({ panel, query }) {
  const written = new URLSearchParams(query);
  /** @type {Record<string, string>} */
  const omitted = {};
  while (addressOf(panel, written).length > MAX_LENGTH && written.size) {
    const [name, value] = [...written].reduce((a, b) => (b[1].length > a[1].length ? b : a));
    omitted[name] = value;
    written.delete(name);
  }
  return { hash: addressOf(panel, written), omitted };
}

/** The address of the window, with the values that its entry in the history holds instead.
 * @returns {Address} */
function readAddress() {
  const address = parseAddress(location.hash);
  for (const [name, value] of Object.entries(history.state?.omitted ?? {})) address.query.set(name, String(value));
  return address;
}

/** The address that the page begins with, whose entry in the history is marked as one that the page wrote. */
function firstAddress() {
  if (history.state === null) history.replaceState({ omitted: {} }, '');
  return readAddress();
}

/** The address of the window, and how it is changed. A link to a panel alone, as in the rail, leads to what was entered there.
 * @returns {{ address: Address, isTooLong: boolean, go: (address: Address, push: boolean) => void }}
 *     isTooLong: for a link, so that only this window's history holds all of it */
export function useAddress() {
  const [address, setAddress] = useState(firstAddress);
  const timer = useRef(/** @type {ReturnType<typeof setTimeout> | undefined} */ (undefined));
  /** What was entered last, by panel. */
  const entered = useRef(/** @type {Map<string, URLSearchParams>} */ (new Map()));
  entered.current.set(address.panel, address.query);

  useEffect(() => {
    const read = () => {
      clearTimeout(timer.current);
      const next = readAddress();
      // An entry of the history that was written here has a state; that of a link that was just followed has none.
      if (history.state === null) {
        const query = next.query.size ? next.query : entered.current.get(next.panel) ?? next.query;
        const { hash, omitted } = shortAddress({ panel: next.panel, query });
        history.replaceState({ omitted }, '', hash);
        setAddress({ panel: next.panel, query });
      } else setAddress(next);
    };
    addEventListener('popstate', read);
    return () => removeEventListener('popstate', read);
  }, []);

  const go = useCallback((/** @type {Address} */ next, /** @type {boolean} */ push) => {
    setAddress(next);
    clearTimeout(timer.current);
    const { hash, omitted } = shortAddress(next);
    if (push) history.pushState({ omitted }, '', hash);
    else timer.current = setTimeout(() => history.replaceState({ omitted }, '', hash), WRITE_MS);
  }, []);

  const isTooLong = useMemo(() => Object.keys(shortAddress(address).omitted).length > 0, [address]);
  return { address, isTooLong, go };
}
