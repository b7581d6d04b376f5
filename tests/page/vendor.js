/** Writes the libraries of the page into service/api/page/vendor/, from the versions that package.json pins.
 *
 *     node tests/page/vendor.js            write them
 *     node tests/page/vendor.js --check    fail unless they are what it would write
 */
import { mkdir, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const modules = fileURLToPath(new URL('./node_modules/', import.meta.url));
const target = fileURLToPath(new URL('../../service/api/page/vendor/', import.meta.url));

const { devDependencies: versions } = JSON.parse(await readFile(new URL('./package.json', import.meta.url), 'utf8'));

const ENTRY = `
import { h } from 'preact';
import htm from 'htm';
export { Component, Fragment, createContext, h, render } from 'preact';
export { useCallback, useContext, useEffect, useId, useLayoutEffect, useMemo, useReducer, useRef, useState } from 'preact/hooks';
export const html = htm.bind(h);
`;

const read = (/** @type {string} */ name) => readFile(modules + name);

/** @returns {Promise<Map<string, Buffer>>} every file by its name */
async function files() {
  const bundle = await build({
    stdin: { contents: ENTRY, resolveDir: fileURLToPath(new URL('.', import.meta.url)) },
    bundle: true,
    format: 'esm',
    minify: true,
    target: 'es2022',
    write: false,
    banner: { js: `/* preact ${versions.preact} (MIT), htm ${versions.htm} (Apache-2.0); made by make page-vendor */` },
  });
  return new Map([
    ['preact.js', Buffer.from(bundle.outputFiles[0].contents)],
    ['preact.LICENSE.txt', await read('preact/LICENSE')],
    ['htm.LICENSE.txt', await read('htm/LICENSE')],
    ['swagger-ui-bundle.js', await read('swagger-ui-dist/swagger-ui-bundle.js')],
    ['swagger-ui.css', await read('swagger-ui-dist/swagger-ui.css')],
    ['swagger-ui.LICENSE.txt', await read('swagger-ui-dist/LICENSE')],
    ['swagger-ui.NOTICE.txt', await read('swagger-ui-dist/NOTICE')],
    ['swagger-ui-bundle.js.LICENSE.txt', await read('swagger-ui-dist/swagger-ui-bundle.js.LICENSE.txt')],
  ]);
}

const wanted = await files();
if (process.argv.includes('--check')) {
  const present = (await readdir(target)).filter((name) => !name.endsWith('.d.ts')).sort();
  const names = [...wanted.keys()].sort();
  const same = await Promise.all(names.map(async (name) => (await readFile(target + name).catch(() => Buffer.alloc(0))).equals(/** @type {Buffer} */ (wanted.get(name)))));
  const wrong = names.filter((_, index) => !same[index]).concat(present.filter((name) => !wanted.has(name)));
  if (wrong.length) {
    console.error(`service/api/page/vendor/ is not what make page-vendor writes: ${wrong.join(', ')}`);
    process.exit(1);
  }
} else {
  await mkdir(target, { recursive: true });
  for (const name of await readdir(target)) if (!name.endsWith('.d.ts')) await rm(target + name);
  for (const [name, content] of wanted) await writeFile(target + name, content);
}
