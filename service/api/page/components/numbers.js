/** Numbers as the page writes them: three digits. */

/** @param {number} value */
export function three(value) {
  if (!Number.isFinite(value)) return '–';
  const size = Math.abs(value);
  return value.toFixed(size >= 99.95 || size === 0 ? 0 : size >= 9.995 ? 1 : size >= 0.9995 ? 2 : 3).replace('-', '−');
}

/** A probability in percent. @param {number} value between 0 and 1 */
export function percent(value) {
  if (value > 0.9995 && value < 1) return '> 99.9 %';
  if (value === 0) return '0 %';
  if (value > 0 && value < 0.0005) return '< 0.1 %';
  return `${(value * 100).toFixed(1)} %`;
}
