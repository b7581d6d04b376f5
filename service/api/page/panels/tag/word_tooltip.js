/** The best tags of the word that the pointer or the keyboard is at.
 *
 * @typedef {{ word: number, left: number, top: number, width: number }} Anchor word: its index. left, top: below it, in pixels
 *     of what surrounds the text, which is so wide
 */
import { html, useEffect, useId, useState } from '../../vendor/preact.js';
import { bestInWords } from './probabilities.js';
import { BestTags } from './why.js';

/** Which word has its tooltip shown. It stays while the pointer is on it, and Escape hides it (WCAG 2.2, 1.4.13).
 * @param {import('./marked_text.js').Token[]} tokens of the answer: another one hides it
 * @returns {{ id: string, anchor: Anchor | null, listeners: Record<string, (event: any) => void> }} listeners: for the element
 *     around words and tooltip; each word has its index as data-word */
export function useWordTooltip(tokens) {
  const [anchor, setAnchor] = useState(/** @type {Anchor | null} */ (null));
  useEffect(() => setAnchor(null), [tokens]);
  const hide = () => setAnchor(null);
  const show = (/** @type {any} */ event) => {
    if (event.target.closest('[role=tooltip]')) return;
    const word = event.target.closest('[data-word]');
    if (!word) {
      hide();
      return;
    }
    const around = event.currentTarget.getBoundingClientRect();
    // A word that is broken into two lines has two rectangles.
    const box = [...word.getClientRects()].at(-1) ?? around;
    setAnchor({ word: Number(word.dataset.word), left: box.left - around.left, top: box.bottom - around.top, width: around.width });
  };
  return {
    id: useId(),
    anchor,
    listeners: {
      onMouseOver: show,
      onFocusIn: show,
      onMouseLeave: hide,
      onFocusOut: hide,
      // What was chosen is shown in full below.
      onClick: hide,
      onKeyDown: (event) => event.key === 'Escape' && hide(),
    },
  };
}

/** @param {{ id: string, anchor: Anchor, tokens: (import('./marked_text.js').Token & { index: number })[],
 *     explain: import('./probabilities.js').Explanation | undefined, labels: string[] }} props tokens: of the word */
export function WordTooltip({ id, anchor, tokens, explain, labels }) {
  return html`
    <div class="word-tooltip stack" id=${id} role="tooltip" aria-label=${tokens.map((token) => bestInWords(token, token.index, explain)).join('; ')}
      style=${{ top: `${anchor.top}px`, left: `max(0px, min(${anchor.left}px, ${anchor.width}px - 15rem))` }}>
      ${tokens.map((token) => html`
        <div key=${token.index}>${tokens.length > 1 && html`<div class="label">${token.text}</div>`}
          <${BestTags} token=${token} index=${token.index} explain=${explain} labels=${labels} /></div>`)}
    </div>`;
}
