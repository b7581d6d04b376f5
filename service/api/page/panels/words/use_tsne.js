/** The positions of words by t-SNE, made in a worker while one watches. */
import { useEffect, useState } from '../../vendor/preact.js';

/** Words above which it would take too long. */
export const MAX_WORDS = 1000;
export const MIN_WORDS = 4;

/** @param {Float32Array[] | null} vectors null: nothing is to be done
 * @param {number} dimensions 2 or 3 @param {string} identity of the vectors
 * @returns {{ points: Float32Array | null, share: number }} share: how much is done, 0 to 1 */
export function useTsne(vectors, dimensions, identity) {
  const [state, setState] = useState(/** @type {{ points: Float32Array | null, share: number, identity: string }} */ ({ points: null, share: 0, identity: '' }));
  const wanted = `${dimensions} ${identity}`;
  useEffect(() => {
    if (!vectors || vectors.length < MIN_WORDS || vectors.length > MAX_WORDS) return undefined;
    const worker = new Worker(new URL('./tsne_worker.js', import.meta.url), { type: 'module' });
    worker.onmessage = ({ data }) => setState({ ...data, identity: wanted });
    worker.postMessage({ vectors, dimensions });
    return () => worker.terminate();
  }, [vectors === null, wanted]);
  return state.identity === wanted ? state : { points: null, share: 0 };
}
