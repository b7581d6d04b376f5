/** Draw: a figure that is drawn, what the network makes of it, and why. */
import { AsCode } from '../../components/as_code.js';
import { Fold } from '../../components/fold.js';
import { Problem } from '../../components/problem.js';
import { loadStyles } from '../../components/styles.js';
import { CorrectLabel } from '../../corrections/correct_label.js';
import { useExplained } from '../../server/use_explained.js';
import { html, useCallback, useEffect, useMemo, useState } from '../../vendor/preact.js';
import { Said } from './answer.js';
import { Deformations, fromQuery } from './deformations.js';
import { EXAMPLES } from './examples.js';
import { Network } from './network.js';
import { Pad } from './pad.js';
import { isBlank, readImage } from './picture.js';
import { Saw } from './saw.js';
import { Sources } from './sources.js';
import { asText, fromText } from './strokes.js';
import { usePicture } from './use_picture.js';

await loadStyles(new URL('draw.css', import.meta.url).href);

/** @typedef {import('./strokes.js').Stroke} Stroke */
/** @typedef {import('./picture.js').Picture} Picture */

const PENS = [{ name: 'Thin', width: 8 }, { name: 'Medium', width: 18 }, { name: 'Thick', width: 30 }];
const ERASER = 40;
const TOP = 10;

/** @param {import('../../panels.js').PanelProps} props */
export function Panel({ server, model, query, setQuery }) {
  const drawn = query.get('drawing') ?? EXAMPLES[0].text;
  const [strokes, setStrokes] = useState(() => fromText(drawn));
  const [image, setImage] = useState(/** @type {ImageBitmap | null} */ (null));
  /** A file that this browser cannot read, sent as it is. */
  const [unread, setUnread] = useState(/** @type {Picture | null} */ (null));
  const [pen, setPen] = useState(PENS[1].width);
  const [erases, setErases] = useState(false);
  const split = query.get('split') === '1';

  // The back button, a link or an example: the address has another drawing than the pad.
  useEffect(() => { if (drawn !== asText(strokes) && !image && !unread) setStrokes(fromText(drawn)); }, [drawn]);

  const key = ['rotate', 'right', 'down', 'scale', 'thicker', 'noise'].map((name) => query.get(name)).join();
  const deformation = useMemo(() => fromQuery(query), [key]);
  const source = useMemo(() => ({ image, strokes }), [image, strokes]);
  const composed = usePicture(source, deformation);
  const picture = unread ?? composed;
  const labels = model.labels ?? [];
  const call = useMemo(() => picture && {
    path: 'v1/classify',
    query: { model: model.id, version: model.version, top_k: Math.max(1, Math.min(TOP, labels.length)), ...(split ? { split: true } : {}) },
    file: picture,
  }, [picture, model.id, model.version, split]);
  const state = useExplained(server, call, { finish: true });
  const result = state.answer?.data.results[0];
  const sent = /** @type {Picture | undefined} */ (state.answer?.call.file);

  const onStrokes = useCallback((/** @type {Stroke[]} */ next, /** @type {boolean} */ finished) => {
    setUnread(null);
    setStrokes(next);
    if (finished) setQuery({ drawing: asText(next) }, { push: !image });
  }, [setQuery, image]);
  const show = (/** @type {string} */ text) => {
    setImage(null);
    setUnread(null);
    setStrokes(fromText(text));
    setQuery({ drawing: text }, { push: true });
  };
  const onFile = useCallback(async (/** @type {File} */ file) => {
    try {
      setImage(await readImage(file));
      setUnread(null);
    } catch {
      setImage(null);
      setUnread({ content: file, name: file.name || 'picture', type: file.type || 'application/octet-stream', width: 0, height: 0 });
    }
    setStrokes([]);
  }, []);
  const blank = isBlank(source) && !unread;

  return html`
    <div class="panel draw">
      <section class="card input stack" aria-label="Input">
        <${Pad} source=${source} width=${erases ? ERASER : pen} erases=${erases} parts=${(!blank && result?.parts) || []} onStrokes=${onStrokes} />
        ${unread && html`<p class="caption">This browser cannot show ${unread.name}: the server gets it as it is.</p>`}
        ${image && html`<p class="caption">A picture from a file is not part of the link to this page.</p>`}
        <${Problem} state=${state} id="draw-problem" />
        <div class="buttons" role="group" aria-label="Pen">
          ${PENS.map(({ name, width }) => html`<button key=${name} type="button" class="button" aria-pressed=${!erases && pen === width}
            onClick=${() => { setPen(width); setErases(false); }}>${name}</button>`)}
          <button type="button" class="button" aria-pressed=${erases} onClick=${() => setErases(!erases)}>Eraser</button>
          <button type="button" class="button" disabled=${!strokes.length} onClick=${() => onStrokes(strokes.slice(0, -1), true)}>Undo</button>
          <button type="button" class="button" disabled=${blank} onClick=${() => show('')}>Clear</button>
        </div>
        <div class="buttons" role="group" aria-label="Another picture">
          <${Sources} onFile=${onFile} />
          ${EXAMPLES.map(({ name, text }) => html`<button key=${name} type="button" class="button" onClick=${() => show(text)}>${name}</button>`)}
        </div>
        <${Fold} name="draw/deform" title="Deform">${() => html`<${Deformations} deformation=${deformation} hasImage=${image !== null} setQuery=${setQuery} />`}<//>
      </section>

      <section class="card answer stack" aria-label="Answer" aria-busy=${state.pending} aria-live="polite">
        ${blank ? html`<p class="caption">Draw a figure: the bars follow the pen. A picture can be dropped or pasted anywhere on this page.</p>`
    : result && html`<${Said} result=${result} labels=${labels} />`}
        ${!blank && result && sent && !result.parts && labels.length > 0 && html`<${CorrectLabel} model=${model} picture=${sent} labels=${labels} />`}
        ${state.slow && html`<p class="waiting" role="status">${model.id} is looking …</p>`}
        <label class="switch caption"><input type="checkbox" checked=${split}
          onChange=${(/** @type {any} */ event) => setQuery({ split: event.target.checked ? '1' : null })} /> One by one, if there are several</label>
      </section>

      <div class="wide folds">
        <${Fold} name="draw/saw" title="What it saw" open>
          ${() => !blank && result && sent && html`<${Saw} picture=${sent} explain=${result.explain} label=${result.predictions[0]?.label ?? ''} />`}<//>
        <${Fold} name="draw/why" title="Why" open>
          ${() => !blank && result && (result.explain
    ? html`<${Network} server=${server} model=${model} explain=${result.explain} />`
    : html`<p>${state.explains ? 'Draw something.' : `${model.id} was exported without the graph that shows its layers.`}</p>`)}<//>
        <${AsCode} server=${server} name="draw" calls=${[blank ? null : state.answer?.call]} />
      </div>
    </div>`;
}
