/** A translation, with what was not translated underlined: names, numbers, addresses, placeholders.
 *
 * @typedef {{ start: number, end: number }} Range offsets are code points
 */
import { html } from '../../vendor/preact.js';

/** Parts that are listed below the translation. */
const MAX_LISTED = 20;

/** @param {{ text: string, copied: Range[] | undefined, language: string, isStale: boolean }} props
 *     copied: ranges of the text in ascending order. isStale: the text that it translates has changed */
export function TranslatedText({ text, copied = [], language, isStale }) {
  const points = Array.from(text);
  const textOf = (/** @type {Range} */ { start, end }) => points.slice(start, end).join('');
  const shown = copied.filter((range) => textOf(range).trim());
  /** @type {any[]} */
  const parts = [];
  let end = 0;
  shown.forEach((range, index) => {
    parts.push(textOf({ start: end, end: range.start }), html`<u key=${index} class="copied" title="Not translated">${textOf(range)}</u>`);
    end = range.end;
  });
  parts.push(textOf({ start: end, end: points.length }));
  const different = [...new Set(shown.map(textOf))];
  return html`
    <p class=${isStale ? 'translation stale' : 'translation'} lang=${language} aria-label="Translation">${parts}</p>
    ${different.length > 0 && html`<p class="caption">Underlined, not translated: <span lang=${language}>${
  different.slice(0, MAX_LISTED).map((part) => `“${part}”`).join(', ')}</span>${different.length > MAX_LISTED ? ` and ${different.length - MAX_LISTED} more` : ''}.</p>`}`;
}
