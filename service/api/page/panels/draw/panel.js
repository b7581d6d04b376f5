/** Draw: a figure that is drawn, what the network makes of it, and why. */
import { Fold } from '../../components/fold.js';
import { Problem } from '../../components/problem.js';
import { loadStyles } from '../../components/styles.js';
import { usePanelState } from '../../components/use_panel_state.js';
import { CorrectLabel } from '../../corrections/correct_label.js';
import { useAnswer } from '../../server/use_answer.js';
import { html, useCallback, useEffect, useMemo, useRef, useState } from '../../vendor/preact.js';
import { Deformations, fromQuery } from './deformations.js';
import { EXAMPLES } from './examples.js';
import { Explanation } from './explanation.js';
import { acceptedBy, openFile } from './open_file.js';
import { Pad } from './pad.js';
import { isBlank } from './picture.js';
import { Predictions } from './predictions.js';
import { Sources } from './sources.js';
import { asText, fromText } from './strokes.js';
import { usePicture } from './use_picture.js';

await loadStyles(new URL('draw.css', import.meta.url).href);

/** @typedef {import('./strokes.js').Stroke} Stroke */
/** @typedef {import('./picture.js').Picture} Picture */

const PENS = [{ name: 'Thin', width: 8 }, { name: 'Medium', width: 18 }, { name: 'Thick', width: 30 }];
const ERASER = 40;
const TOP = 10;
/** Stands for the picture of an answer that is not there yet. */
const NO_PICTURE = { content: new Blob(), name: '', type: 'image/png', width: 0, height: 0 };

/** @param {import('../../panels.js').PanelProps} props */
export function Panel({ server, model, query, setQuery, panelState }) {
  const drawn = query.get('drawing') ?? EXAMPLES[0].text;
  const [strokes, setStrokes] = useState(() => fromText(drawn));
  const [image, setImage] = usePanelState(panelState, 'image', /** @type {ImageBitmap | null} */ (null));
  /** A file that this browser cannot read, sent as it is. */
  const [unread, setUnread] = usePanelState(panelState, 'unread', /** @type {Picture | null} */ (null));
  const [message, setMessage] = useState('');
  /** The file that is being read. */
  const reading = useRef(/** @type {File | null} */ (null));
  /** The example in whose place the first stroke was drawn: undoing that stroke brings it back. */
  const replaced = useRef(/** @type {Stroke[] | null} */ (null));
  const content = useRef(/** @type {HTMLElement | null} */ (null));
  const [pen, setPen] = useState(PENS[1].width);
  const [erases, setErases] = useState(false);
  const split = query.get('split') === '1';

  // The back button or a link: the address has another drawing than the pad.
  useEffect(() => { if (drawn !== asText(strokes)) showStrokes(drawn); }, [drawn]);

  const fromAddress = fromQuery(query);
  const deformation = useMemo(() => fromAddress, Object.values(fromAddress));
  const isExample = useMemo(() => !image && EXAMPLES.some(({ text }) => text === asText(strokes)), [image, strokes]);
  const source = useMemo(() => ({ image, strokes }), [image, strokes]);
  const composed = usePicture(source, deformation);
  const picture = unread ?? composed;
  const labels = model.labels ?? [];
  const chosen = query.get('label');
  const targetLabel = chosen !== null && labels.includes(chosen) ? chosen : null;
  const call = useMemo(() => picture && {
    path: 'v1/classify',
    query: { model: model.id, version: model.version, top_k: Math.max(1, Math.min(TOP, labels.length)), ...(split ? { split: true } : {}) },
    file: picture,
  }, [picture, model.id, model.version, split]);
  const state = useAnswer(server, call, { finish: true });
  const result = state.answer?.data.results[0];
  const sent = /** @type {Picture | undefined} */ (state.answer?.call.file);

  const forgetFile = () => {
    reading.current = null;
    setUnread(null);
    setMessage('');
  };
  const onStrokes = useCallback((/** @type {Stroke[]} */ next, /** @type {boolean} */ finished) => {
    forgetFile();
    if (isExample && next.length === 1 && !finished) replaced.current = strokes;
    const text = asText(next);
    // What is answered last is what the link holds, whose points are fewer digits.
    setStrokes(finished ? fromText(text) : next);
    // Another figure is asked about by its answer again.
    if (finished) setQuery({ drawing: text, ...(!image && next.length <= 1 ? { label: null } : {}) }, { push: !image });
  }, [setQuery, image, isExample, strokes]);
  const showStrokes = (/** @type {string} */ text) => {
    setImage(null);
    forgetFile();
    replaced.current = null;
    setStrokes(fromText(text));
  };
  const show = (/** @type {string} */ text) => {
    showStrokes(text);
    setQuery({ drawing: text, label: null }, { push: true });
  };
  const undo = () => {
    if (strokes.length === 1 && replaced.current) show(asText(replaced.current));
    else if (strokes.length) onStrokes(strokes.slice(0, -1), true);
  };
  const onTargetLabel = (/** @type {string | null} */ label) => {
    setQuery({ label }, { push: true });
    if (label === null) return;
    const behavior = matchMedia('(prefers-reduced-motion: reduce)').matches ? 'auto' : 'smooth';
    content.current?.querySelector('.evidence')?.scrollIntoView({ block: 'nearest', behavior });
  };
  const onFile = useCallback(async (/** @type {File} */ file) => {
    reading.current = file;
    setMessage('');
    const opened = await openFile(file, acceptedBy(model)).catch(() => null);
    if (reading.current !== file) return; // Another was chosen meanwhile, or something drawn.
    if (!opened) {
      setMessage(`${file.name} cannot be read. Choose it again, or, if it is a folder, one of its files.`);
      return;
    }
    if (opened.refusal) {
      // After what was said of several files.
      setMessage((said) => [said, opened.refusal].filter(Boolean).join(' '));
      return;
    }
    setImage(opened.image);
    setUnread(opened.unread);
    replaced.current = null;
    setStrokes([]);
    setQuery({ drawing: '', label: null }, { push: true }); // The back button leads to what was drawn before.
  }, [setQuery, model]);
  const blank = isBlank(source) && !unread;
  const answer = blank ? null : state.answer;
  const hadAnswer = useRef(false);
  if (state.answer) hadAnswer.current = true;
  const isAwaited = !hadAnswer.current && !blank && !state.error;
  // Drawn unseen until the first answer is there, so that nothing below moves when it comes. Later, on an empty pad, this would
  // delay the bars of the first stroke.
  /** @type {import('./predictions.js').Result} */
  const awaited = useMemo(() => ({ predictions: labels.slice(0, TOP).map((label) => ({ label, score: 0 })), ...(split ? { parts: [] } : {}) }), [model.id, model.version, split]);
  const shown = blank ? null : result ?? (isAwaited ? awaited : null);
  const isStale = state.error !== null || state.slow;
  // A move of the pen renders the panel, and must not render all layers of the network.
  const explanation = useMemo(() => html`<${Explanation} server=${server} model=${model} answer=${answer} targetLabel=${targetLabel} isStale=${isStale} isAwaited=${isAwaited} />`, [server, model, answer, targetLabel, isStale, isAwaited]);

  return html`
    <div class="panel draw" ref=${content}>
      <section class="card input stack" aria-label="Input">
        <${Pad} source=${source} isExample=${isExample} width=${erases ? ERASER : pen} erases=${erases} parts=${(!blank && result?.parts) || []}
          note=${unread && (state.error?.kind === 'invalid' ? `${unread.name} was not read.` : `This browser cannot show ${unread.name}. It is sent to the server as it is.`)} onStrokes=${onStrokes} />
        ${message && html`<p class="problem" role="alert">${message}</p>`}
        ${image && html`<p class="caption">A picture from a file is not part of the link to this page.</p>`}
        <${Problem} state=${state} id="draw-problem" />
        <div class="buttons pens" role="group" aria-label="Pen">
          ${PENS.map(({ name, width }) => html`<button key=${name} type="button" class="button" title="${name} pen" aria-label="${name} pen"
            aria-pressed=${!erases && pen === width} onClick=${() => { setPen(width); setErases(false); }}><span class="tip" style=${{ '--tip': `${width}px` }}></span></button>`)}
          <button type="button" class="button" aria-pressed=${erases} onClick=${() => setErases(!erases)}>Eraser</button>
          <button type="button" class="button" aria-disabled=${!strokes.length} onClick=${undo}>Undo</button>
          <button type="button" class="button" aria-disabled=${blank} onClick=${() => { if (!blank) show(''); }}>Clear</button>
        </div>
      </section>

      <section class=${blank || isAwaited || state.answer || state.error ? 'card answer stack' : 'card answer stack roomy'} aria-label="Answer" aria-busy=${state.pending} aria-live="polite">
        ${blank ? html`<p>Draw a figure: the bars follow the pen.</p>`
    : shown && html`<div class=${isAwaited ? 'awaited' : isStale ? 'stale' : ''}><${Predictions} result=${shown} labels=${labels} targetLabel=${targetLabel}
      onTargetLabel=${onTargetLabel} /></div>`}
        ${shown && !shown.parts && labels.length > 0 && html`<div class=${isAwaited ? 'awaited' : ''}><${CorrectLabel} model=${model} picture=${sent ?? NO_PICTURE} labels=${labels} /></div>`}
        <div class="below"><label class="switch caption"><input type="checkbox" checked=${split}
          onChange=${(/** @type {any} */ event) => setQuery({ split: event.target.checked ? '1' : null })} /> Read several figures one by one</label>
          ${state.slow && html`<p class="waiting" role="status">${model.id} is looking …</p>`}</div>
      </section>

      <section class="card tools stack" aria-label="Other pictures">
        <div class="buttons"><${Sources} onFile=${onFile} onMessage=${setMessage} /> <span class="caption">or drop or paste one anywhere on this page.</span></div>
        <div class="buttons examples" role="group" aria-label="Examples"><span class="caption">Examples</span>
          ${EXAMPLES.map(({ name, text }) => html`<button key=${name} type="button" class="button" onClick=${() => show(text)}>${name}</button>`)}
        </div>
        <${Fold} name="draw/deform" title="Deform">${() => (unread ? html`<p class="caption">This browser cannot read the file, so it cannot deform it.</p>`
    : html`<${Deformations} deformation=${deformation} hasImage=${image !== null} setQuery=${setQuery} />`)}<//>
      </section>

      ${explanation}
    </div>`;
}
