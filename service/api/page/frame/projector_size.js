/** Before the first paint, and so no module: the size for a projector, as preference.js keeps it. */
try {
  document.documentElement.toggleAttribute('data-projector', localStorage.getItem('lectern:projector') === '1');
} catch {
  // A browser that keeps nothing for pages.
}
