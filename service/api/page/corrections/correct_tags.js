/** "Wrong? Choose a word and its tag": the tags of a text. */
import { html, useEffect, useMemo, useState } from '../vendor/preact.js';
import { CorrectionForm, useCorrection } from './correction_form.js';
import { marksOf, nameAt, retyped, tagsOf } from './spans.js';

/** Words of the list, of a long text those around the chosen one. */
const MAX_LISTED = 400;

/** @param {{ model: import('../server/types.js').Model, text: string, result: any, chosen: number,
 *     onChoose: (index: number) => void }} props text: as it was sent. result: the answer. chosen: index of a token */
export function CorrectTags({ model, text, result, chosen, onChoose }) {
  const isSpans = result.entities !== undefined;
  const answered = result.tokens.map((/** @type {any} */ { tag }) => tag);
  const input = `${model.id} ${text}`;
  const correction = useCorrection(input);
  const [tags, setTags] = useState(/** @type {string[]} */ (answered));
  const [isWhole, setWhole] = useState(true);
  useEffect(() => setTags(answered), [input, answered.join(' ')]);
  const starts = useMemo(() => startsOf(result), [result]);
  // Of the answer before.
  if (tags.length !== answered.length) return null;

  const marks = marksOf(tags);
  const name = isSpans ? nameAt(marks, chosen, starts) : [chosen, chosen + 1];
  const isLong = name[1] - name[0] > 1;
  /** @type {[number, number]} */
  const range = isLong && isWhole ? [name[0], name[1]] : [chosen, chosen + 1];
  const textOf = (/** @type {number} */ first, /** @type {number} */ end) => (
    result.tokens.slice(first, end).map((/** @type {any} */ token) => token.text).join(' '));
  const follows = chosen > 0 && !starts.includes(chosen) && marks[chosen].type !== null && marks[chosen - 1].type === marks[chosen].type;
  const choices = isSpans ? [...new Set((model.labels ?? []).map((label) => label.replace(/^[BIES]-/, '')))] : model.labels ?? [];
  const current = isSpans ? marks[chosen].type ?? 'O' : tags[chosen];

  const from = Math.max(0, Math.min(chosen - MAX_LISTED / 2, tags.length - MAX_LISTED));
  const choose = (/** @type {string} */ label) => setTags(isSpans ? tagsOf(retyped(marks, range, label === 'O' ? null : label), starts)
    : tags.map((tag, at) => (at === chosen ? label : tag)));
  const split = (/** @type {boolean} */ begins) => setTags(tagsOf(marks.map((mark, at) => (at === chosen ? { ...mark, begins } : mark)), starts));
  const changed = tags.flatMap((tag, at) => (tag === answered[at] ? [] : [`${textOf(at, at + 1)}: ${tag}`]));
  const save = () => correction.save({
    key: input, model: model.id, task: model.task,
    content: {
      text, isSpans, sentences: result.sentences,
      tokens: result.tokens.map((/** @type {any} */ { text: word, start, end }, /** @type {number} */ at) => ({ text: word, start, end, tag: tags[at] })),
    },
  }, 'Saved in this browser.');

  return html`
    <${CorrectionForm} title="Wrong? Choose a word and its tag" correction=${correction}>
      <label class="buttons"><span class="caption">Word</span>
        <select class="select" onChange=${(/** @type {any} */ event) => onChoose(Number(event.target.value))}>
          ${result.tokens.slice(from, from + MAX_LISTED).map((/** @type {any} */ token, /** @type {number} */ each) => html`
            <option key=${from + each} value=${from + each} selected=${from + each === chosen}>${token.text} · ${tags[from + each]}</option>`)}</select>
        <span class="caption">or choose it in the text</span></label>
      <div class="buttons" role="group" aria-label="The right tag of ${textOf(...range)}">${choices.map((label) => html`
        <button key=${label} type="button" class="button" aria-pressed=${label === current} onClick=${() => choose(label)}>${
  isSpans && label === 'O' ? 'no name' : label}</button>`)}</div>
      ${isLong && html`<label class="switch caption"><input type="checkbox" checked=${isWhole}
        onChange=${(/** @type {any} */ event) => setWhole(event.target.checked)} /> For the whole name “${textOf(name[0], name[1])}”</label>`}
      ${isSpans && follows && html`<label class="switch caption"><input type="checkbox" checked=${tags[chosen].startsWith('B-')}
        onChange=${(/** @type {any} */ event) => split(event.target.checked)} /> Another name begins with “${textOf(chosen, chosen + 1)}”</label>`}
      <p class="caption">${changed.length ? `Changed: ${changed.join(', ')}.` : 'Nothing is changed yet.'}</p>
      <div class="buttons">
        <button type="button" class="button main" disabled=${!changed.length} onClick=${save}>Save these tags</button>
        <button type="button" class="button" disabled=${!changed.length} onClick=${() => setTags(answered)}>Undo my changes</button></div>
    <//>`;
}

/** The indices of the tokens that begin sentences. @param {any} result @returns {number[]} */
function startsOf({ sentences, tokens }) {
  let at = 0;
  return sentences.map((/** @type {any} */ { start }) => {
    while (at < tokens.length && tokens[at].start < start) at += 1;
    return at;
  });
}
