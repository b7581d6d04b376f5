/** Parts of a long text, of which only those near the screen are drawn in full. */
import { useCallback, useEffect, useRef, useState } from '../../vendor/preact.js';

/** Words of a block. */
const BLOCK_WORDS = 200;
/** Texts up to this many words are drawn in full at once. */
const MAX_WHOLE = 2_000;
/** How far from the screen a block is drawn. */
const MARGIN = '600px 0px';

/** @typedef {{ first: number, end: number }} Block indices of words, the end not included */

/** Cut words into blocks, never inside an entity.
 * @param {{ start: number, end: number }[]} words by their offsets @param {{ start: number, end: number }[]} entities in order
 * @returns {Block[]} */
export function blocksOf(words, entities) {
  /** @type {Block[]} */
  const blocks = [];
  let at = 0;
  for (let first = 0; first < words.length;) {
    let end = Math.min(first + BLOCK_WORDS, words.length);
    while (at < entities.length && entities[at].end <= words[end - 1].start) at += 1;
    while (end < words.length && at < entities.length && entities[at].start <= words[end - 1].start && words[end].start < entities[at].end) end += 1;
    blocks.push({ first, end });
    first = end;
  }
  return blocks;
}

/** Which blocks are near the screen.
 * @param {Block[]} blocks of a text
 * @returns {{ isNear: (block: number) => boolean, observe: (element: Element | null) => void }}
 *     observe: a ref for the element around the blocks, each of which has its number as data-block */
export function useNearBlocks(blocks) {
  const isLong = blocks.length > 0 && blocks[blocks.length - 1].end > MAX_WHOLE;
  const [near, setNear] = useState(/** @type {ReadonlySet<number>} */ (new Set([0])));
  const around = useRef(/** @type {Element | null} */ (null));
  useEffect(() => {
    if (!isLong || !around.current) return undefined;
    const observer = new IntersectionObserver((entries) => setNear((old) => {
      const next = new Set(old);
      for (const { target, isIntersecting } of entries) {
        const block = Number(/** @type {HTMLElement} */ (target).dataset.block);
        if (isIntersecting) next.add(block);
        else next.delete(block);
      }
      return next;
    }), { rootMargin: MARGIN });
    for (const element of around.current.querySelectorAll('[data-block]')) observer.observe(element);
    return () => observer.disconnect();
  }, [isLong, blocks.length]);
  return {
    isNear: (block) => !isLong || near.has(block),
    observe: useCallback((/** @type {Element | null} */ element) => { around.current = element; }, []),
  };
}
