/** Starts the page. */
import { App } from './frame/app.js';
import { Server } from './server/client.js';
import { html, render } from './vendor/preact.js';

const root = /** @type {HTMLElement} */ (document.getElementById('page'));
root.textContent = '';
render(html`<${App} server=${new Server(document.baseURI)} />`, root);
