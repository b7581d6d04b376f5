/** Loads and unloads models.
 *
 * @typedef {'load' | 'unload'} Action
 *
 * @typedef {object} ModelControl
 * @property {{ name: string, action: Action } | null} running what was asked for and is not done yet
 * @property {{ name: string, text: string, failed: boolean } | null} outcome of the last load or unload
 * @property {(name: string, version?: string) => void} load all versions that the server's policy asks for, or one alone
 * @property {(name: string) => void} unload
 */
import { useCallback, useState } from '../vendor/preact.js';

/** A load tries one version after the other, and a server may give each of them minutes. */
const TIMEOUT_MS = 15 * 60_000;

/** @param {string} name of a model @param {Action} action @param {string} [version] the only one to load */
const controlCall = (name, action, version) => ({
  path: `v2/repository/models/${encodeURIComponent(name)}/${action}`,
  body: version === undefined ? {} : { parameters: { version } },
});

/** @param {import('./client.js').Server} server @param {() => void} onDone called after each load and unload, done or failed
 * @returns {ModelControl} */
export function useModelControl(server, onDone) {
  const [running, setRunning] = useState(/** @type {ModelControl['running']} */ (null));
  const [outcome, setOutcome] = useState(/** @type {ModelControl['outcome']} */ (null));
  const run = useCallback(async (/** @type {string} */ name, /** @type {Action} */ action, /** @type {string} */ done,
    /** @type {string | undefined} */ version = undefined) => {
    setRunning({ name, action });
    setOutcome(null);
    try {
      await server.send(controlCall(name, action, version), { quiet: true, timeoutMs: TIMEOUT_MS });
      setOutcome({ name, text: done, failed: false });
    } catch (reason) {
      const error = /** @type {import('./errors.js').ServerError} */ (reason);
      setOutcome({ name, text: refusalOf(error) ?? error.message, failed: true });
    } finally {
      setRunning(null);
      onDone();
    }
  }, [server, onDone]);
  return {
    running, outcome,
    load: (name, version) => run(name, 'load', `${name} is loaded.`, version),
    unload: (name) => run(name, 'unload', `${name} is unloaded.`),
  };
}

/** Why models cannot be loaded and unloaded here at all; null for another error. @param {import('./errors.js').ServerError} error */
export function refusalOf({ status, message }) {
  if (status === 403 && /scope/.test(message)) return 'This API key may not load or unload models: that takes the scope admin.';
  if (status === 404 && !/^no (model|version) /.test(message)) return 'Models of this server are not loaded or unloaded on this port: its operator has another for that.';
  return null;
}
