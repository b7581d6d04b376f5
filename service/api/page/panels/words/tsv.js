/** Files for the Embedding Projector: vectors and their words, each line for line. */

/** @param {Map<string, Float32Array>} vectors */
export const vectorsTsv = (vectors) => [...vectors.values()].map((vector) => [...vector].map((value) => Number(value.toPrecision(7))).join('\t')).join('\n').concat('\n');

/** A file of one column has no header, as the Embedding Projector wants it. @param {Map<string, Float32Array>} vectors */
export const wordsTsv = (vectors) => [...vectors.keys()].map((word) => word.replace(/[\t\n\r]/g, ' ')).join('\n').concat('\n');

/** Let the browser save a text as a file. @param {string} name @param {string} text */
export function save(name, text) {
  const link = document.createElement('a');
  link.href = URL.createObjectURL(new Blob([text], { type: 'text/tab-separated-values' }));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}
