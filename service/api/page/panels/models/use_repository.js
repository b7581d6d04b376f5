/** The versions of the model repository, and what loads and unloads models.
 *
 * @typedef {import('../../server/errors.js').ServerError} ServerError
 * @typedef {{ name: string, version: string, state: 'READY' | 'LOADING' | 'UNLOADING' | 'UNAVAILABLE', reason: string }} Version
 *     version: empty where the model's folder has none
 *
 * @typedef {object} Repository
 * @property {Version[]} versions of all models; empty until they are known
 * @property {ServerError | null} error why they are not known
 * @property {{ name: string, action: Action } | null} running what was asked for and is not done yet
 * @property {{ name: string, text: string, failed: boolean } | null} outcome of the last load or unload
 * @property {(name: string, version?: string) => void} load all versions that the server's policy asks for, or one alone
 * @property {(name: string) => void} unload
 *
 * @typedef {'load' | 'unload'} Action
 */
import { useAnswer } from '../../server/use_answer.js';
import { useCallback, useEffect, useRef, useState } from '../../vendor/preact.js';

export const indexCall = { path: 'v2/repository/index', method: 'POST' };
/** Between two looks at what is loading or unloading. */
const AGAIN_MS = 1_000;
/** A load tries one version after the other, and a server may give each of them minutes. */
const TIMEOUT_MS = 15 * 60_000;

/** @param {string} name of a model @param {Action} action @param {string} [version] the only one to load */
const controlCall = (name, action, version) => ({
  path: `v2/repository/models/${encodeURIComponent(name)}/${action}`,
  body: version === undefined ? {} : { parameters: { version } },
});

/** @param {import('../../server/client.js').Server} server @param {() => void} onChanged called when other models serve
 * @returns {Repository} */
export function useRepository(server, onChanged) {
  const { answer, error, retry } = useAnswer(server, indexCall);
  const [running, setRunning] = useState(/** @type {Repository['running']} */ (null));
  const [outcome, setOutcome] = useState(/** @type {Repository['outcome']} */ (null));
  /** @type {Version[]} */
  const versions = answer?.data ?? [];
  const isChanging = running !== null || versions.some(({ state }) => state === 'LOADING' || state === 'UNLOADING');

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

  const run = useCallback(async (/** @type {string} */ name, /** @type {Action} */ action, /** @type {string} */ done,
    /** @type {string | undefined} */ version = undefined) => {
    setRunning({ name, action });
    setOutcome(null);
    try {
      await server.send(controlCall(name, action, version), { quiet: true, timeoutMs: TIMEOUT_MS });
      setOutcome({ name, text: done, failed: false });
    } catch (reason) {
      setOutcome({ name, text: /** @type {ServerError} */ (reason).message, failed: true });
    } finally {
      setRunning(null);
      retry();
      // The same version may have been loaded anew.
      onChanged();
    }
  }, [server, retry, onChanged]);

  return {
    versions, error, running, outcome,
    load: (name, version) => run(name, 'load', `${name} is loaded.`, version),
    unload: (name) => run(name, 'unload', `${name} is unloaded.`),
  };
}
