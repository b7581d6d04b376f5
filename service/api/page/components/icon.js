/** Line drawings of 24 x 24, in the color of the text. */
import { html } from '../vendor/preact.js';

const PATHS = {
  draw: 'M4 20l4-1L19 8l-3-3L5 16zM14 7l3 3',
  tag: 'M4 7h9M4 12h6M4 17h12M16 5h4v4h-4z',
  words: 'M6 18l5-11M11 7l7 4M6 18l12-7M6 20a2 2 0 1 0 0-4 2 2 0 0 0 0 4zM11 9a2 2 0 1 0 0-4 2 2 0 0 0 0 4zM18 13a2 2 0 1 0 0-4 2 2 0 0 0 0 4z',
  translate: 'M3 6h9M7.5 4v2M10 6c-1 4-3 6-6 8M5 9c1 3 3 4 6 5M12 20l4-10 4 10M13.5 17h5',
  models: 'M4 5h7v6H4zM13 5h7v6h-7zM4 13h7v6H4zM13 13h7v6h-7z',
  teach: 'M12 4l9 5-9 5-9-5zM7 12v5c3 2.500 7 2.500 10 0v-5M21 9v6',
  lectern: 'M4 9l8-4 8 4-8 4zM12 13v6M8 20h8',
  projector: 'M4 5h16v10H4zM12 15v4M8 20h8',
  swap: 'M4 8h14l-3-3M20 16H6l3 3',
  docs: 'M6 4h9l3 3v13H6zM9 10h6M9 14h6',
};

/** @typedef {keyof typeof PATHS} IconName */

/** @param {{ name: IconName }} props */
export const Icon = ({ name }) => html`
  <svg viewBox="0 0 24 24" fill="none" stroke="currentColor" stroke-width="1.75" stroke-linecap="round"
    stroke-linejoin="round" aria-hidden="true" focusable="false"><path d=${PATHS[name]} /></svg>`;
