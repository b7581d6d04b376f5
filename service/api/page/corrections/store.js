/** Corrected answers, saved in this browser (IndexedDB) until one deletes them. Nothing is sent anywhere.
 *
 * @typedef {{ text: string, start: number, end: number, tag: string }} Token offsets are code points of the text
 * @typedef {{ label: string, picture: ArrayBuffer, type: string }} Labeled
 * @typedef {{ text: string, isSpans: boolean, tokens: Token[], sentences: { start: number, end: number }[] }} Tagged
 *     isSpans: its tags are those of spans, IOB2
 * @typedef {{ text: string, translation: string, source: string, target: string }} Translated
 *
 * @typedef {object} Correction
 * @property {string} key two corrections of one input are one: the last
 * @property {string} model id of the model that answered
 * @property {string} task of the model
 * @property {Labeled | Tagged | Translated} content
 */

const DATABASE = 'lectern-corrections';
const STORE = 'corrections';
/** Bounds of a model's corrections: a browser's space is not this page's alone. */
export const MAX_CORRECTIONS = 1000;
export const MAX_BYTES = 4 * 2 ** 20;
export const MAX_TOTAL_BYTES = 64 * 2 ** 20;

/** A correction cannot be saved or read; its message is for the user. */
export class StoreError extends Error {}

const NO_STORE = 'This browser saves nothing for this page, as in a private window. Allow its data, or use another window.';

/** @type {Promise<IDBDatabase> | null} */
let opened = null;

/** @returns {Promise<IDBDatabase>} @throws {StoreError} */
function database() {
  opened ??= new Promise((resolve, reject) => {
    const refuse = () => { opened = null; reject(new StoreError(NO_STORE)); };
    try {
      const request = indexedDB.open(DATABASE, 1);
      request.onupgradeneeded = () => request.result.createObjectStore(STORE, { keyPath: 'key' }).createIndex('model', 'model');
      request.onsuccess = () => {
        // Another tab with a newer page may upgrade it.
        request.result.onversionchange = () => { request.result.close(); opened = null; };
        resolve(request.result);
      };
      request.onerror = refuse;
      request.onblocked = refuse;
    } catch {
      refuse();
    }
  });
  return opened;
}

/** Run one transaction.
 * @template T
 * @param {IDBTransactionMode} mode @param {(store: IDBObjectStore) => IDBRequest<T>} act
 * @returns {Promise<T>} the result of the request, after the transaction is complete @throws {StoreError} */
async function run(mode, act) {
  const { transaction, request } = await begin(mode, act);
  return new Promise((resolve, reject) => {
    transaction.oncomplete = () => resolve(request.result);
    transaction.onerror = transaction.onabort = () => reject(new StoreError(
      transaction.error?.name === 'QuotaExceededError' ? 'This browser has no more space: download what was saved, and delete it.' : NO_STORE));
  });
}

/** @template T @param {IDBTransactionMode} mode @param {(store: IDBObjectStore) => IDBRequest<T>} act */
async function begin(mode, act) {
  const base = await database();
  try {
    const transaction = base.transaction(STORE, mode);
    return { transaction, request: act(transaction.objectStore(STORE)) };
  } catch {
    opened = null;
    throw new StoreError(NO_STORE);
  }
}

/** All corrections of one model, or of all. @param {string} [model] @returns {Promise<Correction[]>} @throws {StoreError} */
export const readCorrections = (model) => run('readonly', (store) => (model === undefined ? store.getAll() : store.index('model').getAll(model)));

/** Save a correction in place of an earlier one with its key.
 * @param {Correction} correction @throws {StoreError} it does not fit, or the browser saves nothing */
export async function save(correction) {
  const others = (await readCorrections()).filter(({ key }) => key !== correction.key);
  const size = sizeOf(correction);
  if (size > MAX_BYTES) throw new StoreError('This is larger than 4 MB, which is the most that is saved of one answer.');
  if (others.filter(({ model }) => model === correction.model).length >= MAX_CORRECTIONS) {
    throw new StoreError(`${MAX_CORRECTIONS.toLocaleString('en')} answers of ${correction.model} are saved, which is the most: download them in Teach, and delete them there.`);
  }
  if (others.reduce((sum, each) => sum + sizeOf(each), size) > MAX_TOTAL_BYTES) {
    throw new StoreError('64 MB are saved, which is the most: download them in Teach, and delete them there.');
  }
  await run('readwrite', (store) => store.put(correction));
}

/** Delete one correction. @param {string} key @throws {StoreError} */
export const remove = (key) => run('readwrite', (store) => store.delete(key));

/** Delete all corrections of a model. @param {string} model @throws {StoreError} */
export async function removeAll(model) {
  for (const { key } of await readCorrections(model)) await remove(key);
}

/** @param {Correction} correction */
function sizeOf({ content }) {
  return 'picture' in content ? content.picture.byteLength : 2 * JSON.stringify(content).length;
}

/** What the user reads of an error. @param {unknown} error */
export const messageOf = (error) => (error instanceof StoreError ? error.message : `It was not saved: ${error}`);
