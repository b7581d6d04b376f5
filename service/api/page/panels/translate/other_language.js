/** Whether a text is in the language that it was to be translated into. */
import { html, useEffect, useState } from '../../vendor/preact.js';
import { languageName } from './languages.js';

const TYPING_MS = 300;
/** The server examines no more. */
const MAX_CHARACTERS = 1_000;
/** Shorter texts are often names, or words that both languages have. */
const MIN_WORDS = 3;
/** Of 100. */
const MIN_CONFIDENCE = 98;

/** Asks the server for the language of the text as it is typed; a failure is no hint.
 * @param {import('../../server/client.js').Server} server @param {string} text
 * @param {string | null} language the one to look for; null: none
 * @returns {boolean} whether the text is surely in that language; false until the server has answered */
export function useIsInLanguage(server, text, language) {
  const hasWords = (text.match(/\p{L}+/gu) ?? []).length >= MIN_WORDS;
  const sample = language && hasWords ? Array.from(text.slice(0, 2 * MAX_CHARACTERS)).slice(0, MAX_CHARACTERS).join('') : null;
  const [detected, setDetected] = useState(/** @type {{ sample: string, language: string, confidence: number } | null} */ (null));
  useEffect(() => {
    if (sample === null) return undefined;
    const abort = new AbortController();
    const timer = setTimeout(() => {
      server.send({ path: 'detect', body: { q: sample } }, { signal: abort.signal, quiet: true })
        .then(({ data: [likeliest] }) => likeliest && setDetected({ sample, ...likeliest }), () => {});
    }, TYPING_MS);
    return () => {
      clearTimeout(timer);
      abort.abort();
    };
  }, [server, sample]);
  return detected !== null && detected.sample === sample && detected.language === language && detected.confidence >= MIN_CONFIDENCE;
}

/** Offers the other direction. @param {{ source: string, target: string, onAccept: () => void }} props languages of the panel */
export function OtherDirection({ source, target, onAccept }) {
  const [other, own] = [languageName(target), languageName(source)];
  return html`<div role="status"><button type="button" class="button" onClick=${onAccept}>This looks like ${other}. Translate ${other} to ${own} instead?</button></div>`;
}
