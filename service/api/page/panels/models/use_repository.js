/** The versions of the model repository, and what loads and unloads models.
 *
 * @typedef {import('../../server/errors.js').ServerError} ServerError
 * @typedef {{ name: string, version: string, state: 'READY' | 'LOADING' | 'UNLOADING' | 'UNAVAILABLE', reason: string }} Version
 *     version: empty where the model's folder has none
 *
 * @typedef {object} Index
 * @property {Version[]} versions of all models; empty until they are known
 * @property {ServerError | null} error why they are not known
 *
 * @typedef {Index & import('../../server/use_model_control.js').ModelControl} Repository
 */
import { useAnswer } from '../../server/use_answer.js';
import { useModelControl } from '../../server/use_model_control.js';
import { useCallback, useEffect, useRef } from '../../vendor/preact.js';

export const indexCall = { path: 'v2/repository/index', method: 'POST' };
/** Between two looks at what is loading or unloading. */
const AGAIN_MS = 1_000;

/** @param {import('../../server/client.js').Server} server @param {() => void} onChanged called when other models serve
 * @returns {Repository} */
export function useRepository(server, onChanged) {
  const { answer, error, retry } = useAnswer(server, indexCall);
  // The same version may have been loaded anew.
  const control = useModelControl(server, useCallback(() => { retry(); onChanged(); }, [retry, onChanged]));
  /** @type {Version[]} */
  const versions = answer?.data ?? [];
  const isChanging = control.running !== null || versions.some(({ state }) => state === 'LOADING' || state === 'UNLOADING');

  useEffect(() => {
    if (!isChanging) return undefined;
    const timer = setInterval(retry, AGAIN_MS);
    return () => clearInterval(timer);
  }, [isChanging]);
  // What another caller loads or unloads shows here too.
  const serving = versions.filter(({ state }) => state === 'READY').map(({ name, version }) => `${name} ${version}`).join('; ');
  const known = useRef(/** @type {string | null} */ (null));
  useEffect(() => {
    if (!answer) return;
    if (known.current !== null && known.current !== serving) onChanged();
    known.current = serving;
  }, [answer, serving, onChanged]);

  return { ...control, versions, error };
}
