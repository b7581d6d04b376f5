/** What a panel holds beside its address, and what is still there when one comes back from another panel. */
import { useCallback, useState } from '../vendor/preact.js';

/** `useState` whose value outlives the component.
 * @template T
 * @param {Map<string, any>} panelState of the panel: see PanelProps @param {string} name of the value @param {T} initial
 * @returns {[T, (value: T) => void]} */
export function usePanelState(panelState, name, initial) {
  const [value, setValue] = useState(() => /** @type {T} */ (panelState.has(name) ? panelState.get(name) : initial));
  const change = useCallback((/** @type {T} */ next) => {
    panelState.set(name, next);
    setValue(next);
  }, [panelState, name]);
  return [value, change];
}
