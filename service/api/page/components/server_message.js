/** A message of the server for the person at the page; what only its operator can change is folded. */
import { html } from '../vendor/preact.js';
import { three } from './numbers.js';
import { sentence } from './text.js';

const SHORTER_TEXT = 'Shorten the text.';
const SMALLER_PICTURE = 'Take a smaller picture.';
const FEWER_WORDS = 'Ask for fewer words.';
const FEWER_PICTURES = 'Take a picture of fewer figures.';

/** What a person can do about a limit, by the setting that it is, where the message does not say so itself.
 * @type {Record<string, string>} */
const ADVICE = {
  LECTERN_MAX_BODY_BYTES: 'Take a smaller picture or a shorter text.',
  LECTERN_MAX_IMAGES: FEWER_PICTURES,
  LECTERN_MAX_EXPLAINED_INPUTS: FEWER_PICTURES,
  LECTERN_MAX_EXPLAINED_TOKENS: SHORTER_TEXT,
  LECTERN_MAX_PIXELS: SMALLER_PICTURE,
  LECTERN_MAX_SCANNED_PIXELS: SMALLER_PICTURE,
  LECTERN_MAX_IMAGE_PARTS: SMALLER_PICTURE,
  LECTERN_MAX_DECODING_PIXELS: SMALLER_PICTURE,
  LECTERN_MAX_WORDS: FEWER_WORDS,
  LECTERN_MAX_NEIGHBORS: FEWER_WORDS,
  LECTERN_MAX_TOTAL_NEIGHBORS: FEWER_WORDS,
  LECTERN_MAX_NUMBERS: SMALLER_PICTURE,
  LECTERN_MAX_INPUTS: FEWER_WORDS,
  LECTERN_MAX_TOKENS: SHORTER_TEXT,
  LECTERN_MAX_TOTAL_WORDS: FEWER_WORDS,
  LECTERN_MAX_TEXTS: SHORTER_TEXT,
  LECTERN_MAX_TEXT_BYTES: SHORTER_TEXT,
  LECTERN_MAX_SENTENCE_TOKENS: SHORTER_TEXT,
  LECTERN_MAX_TOTAL_TOKENS: SHORTER_TEXT,
  LECTERN_MAX_BATCH_TOKENS: SHORTER_TEXT,
  LECTERN_MAX_CHARACTERS: SHORTER_TEXT,
  LECTERN_MAX_TOTAL_CHARACTERS: SHORTER_TEXT,
  LECTERN_MAX_FILE_CHARACTERS: SHORTER_TEXT,
  LECTERN_MAX_BEAM_SIZE: SHORTER_TEXT,
  LECTERN_MAX_BATCH_HYPOTHESES: SHORTER_TEXT,
  LECTERN_MAX_BATCH_SIZE: FEWER_PICTURES,
  LECTERN_DEADLINE_SECONDS: 'Take a shorter text or a smaller picture.',
};

const VARIABLE = /LECTERN_[A-Z_]+/;
/** What a message about one item of a list begins with, as `positive[1]: 'zebr'`: the page has no such list. */
const ITEM = /^[a-z_]+\[\d+\]: (?=')/;
/** Remedies for programs: a page sends one request for what one writes. */
const FOR_PROGRAMS = /^send (several requests|it in parts|less|it without split)$/;

const ANOTHER_PICTURE = 'Choose another picture, such as a PNG or JPEG.';
/** Messages about what a person took for a picture, which name forms that programs send.
 * @type {[RegExp, string][]} */
const ABOUT_PICTURES = [
  [/^content-type .* is not supported; send .*$/, `This is not a picture. ${ANOTHER_PICTURE}`],
  [/^the bytes are not an image of a known format; .*$/, `This is not a picture, or a damaged one. ${ANOTHER_PICTURE}`],
  [/^(the body is empty|the image has no bytes); .*$/, `This file is empty. ${ANOTHER_PICTURE}`],
  [/^the image is HEIC, which is read only where .*$/, 'This picture is HEIC, which this server does not read. Choose a PNG or JPEG of it.'],
];
/** What names a package is for whoever runs the server. */
const PACKAGE = /pip install/;

/** @param {string} message of the server
 * @returns {{ text: string, whole: string | null }} text: sentences that name no setting. whole: the message, where it names one */
export function forPerson(message) {
  const bare = message.replace(ITEM, '');
  const picture = ABOUT_PICTURES.find(([pattern]) => pattern.test(bare));
  if (picture) return { text: picture[1], whole: PACKAGE.test(bare) ? sentence(bare) : null };
  const variable = VARIABLE.exec(bare)?.[0];
  if (!variable) return { text: sentence(bare), whole: null };
  const clauses = bare.replace(/\s*\([^()]*LECTERN_[^()]*\)/g, '').split('; ')
    // What follows a colon may be about the setting alone, and so may a whole clause.
    .map((clause) => clause.replace(/: [^:]*LECTERN_.*$/, ''))
    .filter((clause) => !VARIABLE.test(clause) && !FOR_PROGRAMS.test(clause));
  const advice = clauses.length < 2 ? ADVICE[variable] ?? '' : '';
  const said = clauses.join('; ').replace(/^the body is/, 'what was sent is').replace(/\b(\d{7,}) bytes/, (_, bytes) => `${three(bytes / 2 ** 20)} MiB`);
  return { text: [sentence(said), advice].filter(Boolean).join(' '), whole: sentence(bare) };
}

/** @param {{ message: string }} props of the server */
export function ServerMessage({ message }) {
  const { text, whole } = forPerson(message);
  return html`${text}${whole && html`<details class="operator"><summary>For whoever runs this server</summary>${whole}</details>`}`;
}
