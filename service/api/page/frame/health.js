/** Whether the server is there and ready.
 *
 * @typedef {'asking' | 'ready' | 'not ready' | 'unreachable'} Health
 */
import { useEffect, useState } from '../vendor/preact.js';

const READY_MS = 10_000;
const TROUBLE_MS = 2_000;

/** @param {import('../server/client.js').Server} server @returns {Health} */
export function useHealth(server) {
  const [health, setHealth] = useState(/** @type {Health} */ ('asking'));

  useEffect(() => {
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    let timer;
    let newest = 0;
    const ask = async () => {
      clearTimeout(timer);
      newest += 1;
      const question = newest;
      let next = /** @type {Health} */ ('unreachable');
      try {
        const response = await fetch(server.address({ path: 'v2/health/ready' }), {
          cache: 'no-store', signal: AbortSignal.timeout(5_000),
        });
        next = response.ok ? 'ready' : 'not ready';
      } catch {
        // Unreachable.
      }
      // A later question has the later answer, and goes on asking.
      if (question !== newest) return;
      setHealth(next);
      // A page that nobody sees need not know.
      if (!document.hidden) timer = setTimeout(ask, next === 'ready' ? READY_MS : TROUBLE_MS);
    };
    const wake = () => void (!document.hidden && ask());
    const unlisten = server.listen((event) => {
      if (event.type === 'error' && event.error.kind === 'unreachable') ask();
    });
    document.addEventListener('visibilitychange', wake);
    ask();
    return () => {
      newest = NaN;
      clearTimeout(timer);
      unlisten();
      document.removeEventListener('visibilitychange', wake);
    };
  }, [server]);

  return health;
}
