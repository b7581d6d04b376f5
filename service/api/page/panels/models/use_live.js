/** Reads the server's metrics again and again while the panel is shown.
 *
 * @typedef {import('../../server/client.js').Server} Server
 * @typedef {import('../../server/errors.js').ServerError} ServerError
 * @typedef {import('./metrics.js').Reading} Reading
 */
import { useEffect, useState } from '../../vendor/preact.js';
import { parseMetrics } from './metrics.js';

const METRICS = { path: 'metrics' };
const EVERY_MS = 5_000;
/** The second reading comes soon: only two say anything. */
const SECOND_MS = 1_000;
/** Readings older than this are dropped. */
const WINDOW_MS = 5 * 60_000;

/** What was read stays for who comes back to the panel. @type {WeakMap<Server, Reading[]>} */
const readingsOf = new WeakMap();

/** @param {Server} server
 * @returns {{ readings: Reading[], error: ServerError | null }} the oldest first; error: why there are no more */
export function useLive(server) {
  const [readings, setReadings] = useState(readingsOf.get(server) ?? []);
  const [error, setError] = useState(/** @type {ServerError | null} */ (null));
  const [attempt, setAttempt] = useState(0);

  useEffect(() => {
    const abort = new AbortController();
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    let timer;
    const read = async () => {
      let again = true;
      try {
        if (!document.hidden) {
          const { data } = await server.send(METRICS, { quiet: true, signal: abort.signal });
          const now = performance.now();
          const next = [...(readingsOf.get(server) ?? []), parseMetrics(String(data), now)].filter(({ at }) => now - at <= WINDOW_MS);
          readingsOf.set(server, next);
          setReadings(next);
          setError(null);
        }
      } catch (reason) {
        if (abort.signal.aborted) return;
        const failed = /** @type {ServerError} */ (reason);
        again = failed.isTemporary || failed.kind === 'fault';
        setError(failed);
      }
      if (again && !abort.signal.aborted) timer = setTimeout(read, (readingsOf.get(server)?.length ?? 0) < 2 ? SECOND_MS : EVERY_MS);
    };
    read();
    return () => {
      abort.abort();
      clearTimeout(timer);
    };
  }, [server, attempt]);

  // A new key may be allowed to read them.
  useEffect(() => server.listen((event) => event.type === 'key' && setAttempt((n) => n + 1)), [server]);

  return { readings, error };
}
