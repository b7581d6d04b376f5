/** "As code": exactly the calls that the panel shows, as programs. */
import { asCurl, asJavaScript, asPython } from '../server/code.js';
import { html, useState } from '../vendor/preact.js';
import { Fold } from './fold.js';

const LANGUAGES = { curl: asCurl, Python: asPython, JavaScript: asJavaScript };

/** @param {{ server: import('../server/client.js').Server, name: string,
 *     calls: (import('../server/types.js').Call | null | undefined)[] }} props name: of the panel */
export function AsCode({ server, name, calls }) {
  const [language, setLanguage] = useState(/** @type {keyof typeof LANGUAGES} */ ('curl'));
  const shown = calls.filter((call) => call !== null && call !== undefined);
  return html`
    <${Fold} name="${name}/code" title="As code">
      ${() => html`
        <div class="code-tabs" role="group" aria-label="Language">
          ${Object.keys(LANGUAGES).map((each) => html`
            <button key=${each} type="button" class="button" aria-pressed=${each === language}
              onClick=${() => setLanguage(/** @type {keyof typeof LANGUAGES} */ (each))}>${each}</button>`)}
        </div>
        <div class="stack">${shown.map((call, index) => html`
          <${Program} key=${index} text=${LANGUAGES[language](server.address(call), call, server.key !== null)} />`)}</div>`}
    <//>`;
}

/** @param {{ text: string }} props */
function Program({ text }) {
  const [copied, setCopied] = useState('');
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(text);
      setCopied('Copied.');
    } catch {
      setCopied('This browser lets no page copy here: mark the text and copy it by hand.');
    }
  };
  return html`
    <div>
      <pre class="code" tabindex="0" aria-label="Program"><code>${text}</code></pre>
      <div class="buttons"><button type="button" class="button" onClick=${copy}>Copy</button>
        <span class="caption" role="status">${copied}</span></div>
    </div>`;
}
