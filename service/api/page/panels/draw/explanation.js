/** What the network saw, why it answered so, and both calls as code. */
import { AsCode } from '../../components/as_code.js';
import { Fold } from '../../components/fold.js';
import { Problem } from '../../components/problem.js';
import { useExplained } from '../../server/use_explained.js';
import { html, useMemo, useRef, useState } from '../../vendor/preact.js';
import { Network } from './network.js';
import { AwaitedInput, NetworkInput } from './network_input.js';

/** An explanation takes the server and the browser longer than the bars, so that it waits until the pen does. */
const PAUSE_MS = 150;
/** The graph of a model that explains. */
const GRAPH = 'explain';

/** @param {{ server: import('../../server/client.js').Server, model: import('../../server/types.js').Model,
 *     answer: import('../../server/types.js').Answer | null, targetLabel: string | null, isStale: boolean, isAwaited: boolean }} props
 *     answer: the plain one, which the bars show; null: nothing is drawn, or it has no answer. targetLabel: the label that the heat map
 *     is to be about; null: the best. isStale: what is drawn has changed, and has no answer yet. isAwaited: what is drawn has its first answer to come */
export function Explanation({ server, model, answer, targetLabel, isStale, isAwaited }) {
  const [isInputOpen, setInputOpen] = useState(false);
  const [isWhyOpen, setWhyOpen] = useState(false);
  const isWanted = isInputOpen || isWhyOpen;
  const state = useExplained(server, isWanted && answer ? answer.call : null, { delay: PAUSE_MS, finish: true, targetLabel });
  const explained = answer && state.answer;
  const result = explained?.data.results[0];

  const hasGraph = model.providers[GRAPH] !== undefined;
  const wasExplained = useRef(false);
  if (result) wasExplained.current = true;
  const isExplanationAwaited = !wasExplained.current && (isAwaited || answer !== null) && !state.error;

  // A picture in progress renders the panel with each move of the pen: what is explained stays as it is.
  const input = useMemo(() => result && html`<${NetworkInput} picture=${explained.call.file} explain=${result.explain} best=${result.predictions[0]?.label ?? ''} />`, [result]);
  const layers = useMemo(() => result?.explain && html`<${Network} server=${server} model=${model} explain=${result.explain} />`, [server, model, result]);
  return html`
    ${state.error && html`<div class="wide card"><${Problem} state=${state} /></div>`}
    <div class=${isStale || state.error ? 'wide folds stale' : 'wide folds'}>
      <${Fold} name="draw/input" title="What it saw" open onOpen=${setInputOpen}>
        ${() => input ?? (isExplanationAwaited ? html`<${AwaitedInput} isExplained=${hasGraph} />`
    : html`<p class="caption">What the network gets of the picture appears here.</p>`)}<//>
      <${Fold} name="draw/why" title="Why" open onOpen=${setWhyOpen}>
        ${() => layers ?? (result ? html`<p>${model.id} was exported without the graph that shows its layers.</p>`
    : isExplanationAwaited && hasGraph ? html`<div class="network awaited"></div>`
    : html`<p class="caption">Every layer of the network appears here, with what the picture makes of it.</p>`)}<//>
      <${AsCode} server=${server} name="draw" calls=${[answer?.call, state.explains ? explained?.call : null]} />
    </div>`;
}
