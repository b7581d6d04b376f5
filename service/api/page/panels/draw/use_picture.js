/** Keeps the file that is sent up to date with what is drawn.
 *
 * @typedef {import('./picture.js').Source} Source
 * @typedef {import('./picture.js').Deformation} Deformation
 * @typedef {import('./picture.js').Picture} Picture
 */
import { useLayoutEffect, useRef, useState } from '../../vendor/preact.js';
import { asFile, compose, isBlank } from './picture.js';

/** @param {Source} source @param {Deformation} deformation
 * @returns {Picture | null} of the newest state that is encoded; null: nothing is drawn */
export function usePicture(source, deformation) {
  const [picture, setPicture] = useState(/** @type {Picture | null} */ (null));
  const canvas = useRef(/** @type {HTMLCanvasElement | null} */ (null));
  const newest = useRef(/** @type {{ source: Source, deformation: Deformation } | null} */ (null));
  const busy = useRef(false);

  // Not an ordinary effect, which waits for the next frame: the picture is to be on its way by then.
  useLayoutEffect(() => {
    newest.current = { source, deformation };
    // While one state is encoded, only the newest of those that follow is kept.
    const encode = async () => {
      if (busy.current) return;
      busy.current = true;
      canvas.current ??= document.createElement('canvas');
      try {
        while (newest.current) {
          const state = newest.current;
          newest.current = null;
          if (isBlank(state.source)) setPicture(null);
          else {
            compose(canvas.current, state.source, state.deformation);
            setPicture(await asFile(canvas.current, state.source.image !== null));
          }
        }
      } finally {
        busy.current = false;
      }
    };
    encode();
  }, [source, deformation]);

  return picture;
}
