/** A call as a program: curl, Python, JavaScript.
 *
 * @typedef {import('./types.js').Call} Call
 */
import { methodOf } from './client.js';

const JSON_TYPE = 'application/json';

/** For a shell: within single quotes only a single quote is special. @param {string} text */
const quoted = (text) => `'${text.replaceAll("'", "'\\''")}'`;

/** @param {string} address @param {Call} call @param {boolean} withKey */
export function asCurl(address, call, withKey) {
  const lines = [`curl ${quoted(address)}`];
  if (withKey) lines.push(`-H "authorization: Bearer $LECTERN_KEY"`);
  if (call.file) lines.push(`-H ${quoted(`content-type: ${call.file.type}`)}`, `--data-binary ${quoted(`@${call.file.name}`)}`);
  else if (call.body !== undefined) lines.push(`-H 'content-type: ${JSON_TYPE}'`, `-d ${quoted(JSON.stringify(call.body))}`);
  else if (methodOf(call) !== 'GET') lines.push(`-X ${methodOf(call)}`);
  return lines.join(' \\\n  ');
}

/** @param {string} address @param {Call} call @param {boolean} withKey */
export function asPython(address, call, withKey) {
  const content = call.file ? `data=open(${JSON.stringify(call.file.name)}, "rb").read()`
    : call.body === undefined ? '' : `data=json.dumps(${pythonOf(call.body)}).encode()`;
  const headers = [
    ...(call.file ? [`"content-type": ${JSON.stringify(call.file.type)}`] : call.body !== undefined ? [`"content-type": "${JSON_TYPE}"`] : []),
    ...(withKey ? ['"authorization": f"Bearer {os.environ[\'LECTERN_KEY\']}"'] : []),
  ];
  return [
    'import json',
    ...(withKey ? ['import os'] : []),
    'import urllib.request',
    '',
    'request = urllib.request.Request(',
    `    ${pythonOf(address)},`,
    ...(content ? [`    ${content},`] : []),
    ...(headers.length ? [`    headers={${headers.join(', ')}},`] : []),
    `    method="${methodOf(call)}",`,
    ')',
    'with urllib.request.urlopen(request) as response:',
    '    print(json.load(response))',
  ].join('\n');
}

/** @param {string} address @param {Call} call @param {boolean} withKey */
export function asJavaScript(address, call, withKey) {
  const headers = {
    ...(call.file ? { 'content-type': call.file.type } : call.body !== undefined ? { 'content-type': JSON_TYPE } : {}),
    ...(withKey ? { authorization: 'Bearer …' } : {}),
  };
  const body = call.file ? `file /* ${call.file.name} */` : call.body === undefined ? '' : `JSON.stringify(${JSON.stringify(call.body)})`;
  return [
    `const response = await fetch(${JSON.stringify(address)}, {`,
    `  method: '${methodOf(call)}',`,
    ...(Object.keys(headers).length ? [`  headers: ${JSON.stringify(headers)},`] : []),
    ...(body ? [`  body: ${body},`] : []),
    '});',
    'console.log(await response.json());',
  ].join('\n');
}

/** A value of JSON as Python writes it. @param {any} value @returns {string} */
function pythonOf(value) {
  if (value === null) return 'None';
  if (typeof value === 'boolean') return value ? 'True' : 'False';
  if (Array.isArray(value)) return `[${value.map(pythonOf).join(', ')}]`;
  if (typeof value === 'object') {
    return `{${Object.entries(value).map(([key, item]) => `${JSON.stringify(key)}: ${pythonOf(item)}`).join(', ')}}`;
  }
  return JSON.stringify(value);
}
