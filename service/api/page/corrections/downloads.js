/** Corrections as the files that the training reads (docs/training.md), and the command that trains on them.
 *
 * @typedef {import('./store.js').Correction} Correction
 * @typedef {{ name: string, content: Blob, steps: string[], model: string, family: string, missing: string | null }} Download
 *     steps: commands, in the folder of Lectern's sources. model: the name of the model that they export. family: of its network, as
 *     `lectern-train` names it. missing: what the training would refuse it for
 */
import { SUFFIXES } from './picture_types.js';
import { zipped } from './zip.js';

const MODEL_SUFFIX = '-corrections';
/** Characters of a model's name; the files and the model that is trained on them have the same. */
const LONGEST_NAME = 64;

/** @param {string} model @param {Correction[]} corrections of that model, at least one @returns {Download} */
export function downloadOf(model, corrections) {
  const contents = /** @type {any[]} */ (corrections.map(({ content }) => content));
  const name = `${model.replace(/[^\w.-]+/g, '_').slice(0, LONGEST_NAME - MODEL_SUFFIX.length)}${MODEL_SUFFIX}`;
  if ('picture' in contents[0]) return pictures(name, contents);
  if ('tokens' in contents[0]) return contents[0].isSpans ? names(name, contents) : treebank(name, contents);
  return pairs(name, contents);
}

/** Folders named by label. @param {string} name @param {import('./store.js').Labeled[]} contents @returns {Download} */
function pictures(name, contents) {
  /** @type {Map<string, number>} */
  const counts = new Map();
  const files = contents.map(({ label, picture, type }) => {
    const count = (counts.get(label) ?? 0) + 1;
    counts.set(label, count);
    return { name: `${name}/${folderOf(label)}/${String(count).padStart(4, '0')}.${SUFFIXES[type]}`, content: new Uint8Array(picture) };
  });
  const missing = counts.size < 2 ? 'The training needs at least two labels: correct a picture of another one too, or add folders.'
    : Math.max(...counts.values()) < 2 ? 'The training needs at least two pictures of one label, one of which it holds out.' : null;
  return {
    name: `${name}.zip`, content: zipped(files), model: name, family: 'lenet', missing,
    steps: [`unzip ${name}.zip`, `make train-lenet ARGS="--data ${name} --name ${name}"`],
  };
}

/** A label as the name of a folder. @param {string} label */
const folderOf = (label) => label.replace(/[/\\\0-\x1f]/g, '_').replace(/^\.+/, '_') || '_';

/** A word and its tag on each line. @param {string} name @param {import('./store.js').Tagged[]} contents @returns {Download} */
function names(name, contents) {
  const text = contents.flatMap((content) => sentencesOf(content).map(({ tokens }) => (
    tokens.map((token) => `${cell(token.text)}\t${token.tag}\n`).join('')))).join('\n');
  return tagged(`${name}.txt`, text, contents, name, '--scheme iob2 ');
}

/** CoNLL-U, with how each sentence is written. @param {string} name @param {import('./store.js').Tagged[]} contents
 * @returns {Download} */
function treebank(name, contents) {
  const text = contents.flatMap((content, index) => sentencesOf(content).map((sentence, number, all) => {
    const lines = number ? [] : [`# newpar id = ${index + 1}`];
    lines.push(`# text = ${cell(sentence.text)}`);
    const { tokens } = sentence;
    tokens.forEach((token, at) => {
      const end = endOf(tokens, at);
      const following = tokens[end]?.start ?? all[number + 1]?.tokens[0].start ?? null;
      const misc = following === token.end ? 'SpaceAfter=No' : '_';
      const isPart = tokens[at - 1]?.start === token.start;
      const isSeveral = !isPart && end - at > 1;
      if (isSeveral) lines.push(row(`${at + 1}-${end}`, content.text, token, '_', misc));
      lines.push([at + 1, cell(token.text), '_', token.tag, '_', '_', '_', '_', '_', isPart || isSeveral ? '_' : misc].join('\t'));
    });
    return `${lines.join('\n')}\n`;
  })).join('\n');
  return tagged(`${name}.conllu`, `${text}\n`, contents, name, '--column upos ');
}

/** The row of a token that is several words. @param {string} id @param {string} text @param {import('./store.js').Token} token
 * @param {string} tag @param {string} misc */
const row = (id, text, { start, end }, tag, misc) => (
  [id, cell(Array.from(text).slice(start, end).join('')), '_', tag, '_', '_', '_', '_', '_', misc].join('\t'));

/** After the last word of the token that begins at `at`. @param {import('./store.js').Token[]} tokens @param {number} at */
function endOf(tokens, at) {
  let end = at + 1;
  while (tokens[end]?.start === tokens[at].start) end += 1;
  return end;
}

/** @param {string} file @param {string} text @param {import('./store.js').Tagged[]} contents @param {string} name
 * @param {string} options @returns {Download} */
function tagged(file, text, contents, name, options) {
  const sentences = contents.reduce((sum, content) => sum + sentencesOf(content).length, 0);
  return {
    name: file, content: new Blob([text], { type: 'text/plain' }), model: name, family: 'bilstm_crf',
    missing: sentences < 2 ? 'The training needs at least two sentences, one of which it holds out.' : null,
    steps: [`make train-bilstm_crf ARGS="--train ${file} ${options}--name ${name}"`],
  };
}

/** @param {import('./store.js').Tagged} content */
function sentencesOf({ text, tokens, sentences }) {
  const points = Array.from(text);
  return sentences.map(({ start, end }) => ({
    text: points.slice(start, end).join(''), tokens: tokens.filter((token) => token.start >= start && token.end <= end),
  })).filter((sentence) => sentence.tokens.length);
}

/** A sentence and its translation on each line. @param {string} name @param {import('./store.js').Translated[]} contents
 * @returns {Download} */
function pairs(name, contents) {
  const lines = contents.flatMap(({ text, translation }) => linesOf(text, translation)).map((pair) => pair.map(cell).join('\t'));
  const { source, target } = contents[0];
  return {
    name: `${name}.tsv`, content: new Blob([['source\ttarget', ...lines, ''].join('\n')], { type: 'text/tab-separated-values' }), model: name, family: 'seq2seq',
    missing: lines.length < 2 ? 'The training needs at least two pairs, one of which it holds out.' : null,
    steps: [`make train-seq2seq ARGS="--train ${name}.tsv --source ${source} --target ${target} --name ${name}"`],
  };
}

/** Line by line where both have as many, else all as one pair. @param {string} text @param {string} translation
 * @returns {string[][]} */
function linesOf(text, translation) {
  const [left, right] = [text, translation].map((side) => side.split(/\r\n|[\n\r]/).filter((line) => line.trim()));
  return left.length === right.length ? left.map((line, at) => [line, right[at]]) : [[text, translation]];
}

/** A text that is one cell of one line. @param {string} text */
const cell = (text) => text.replace(/[\t\n\r\v\f\u0085\u2028\u2029]+/g, ' ').trim();
