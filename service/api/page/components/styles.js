/** Styles of a panel, which lie beside it and are loaded with it. */

/** Load a style sheet once, before what it styles is shown. It stays, so all of it is one rule, which no other panel matches:
 * `:where([data-panel='tag']) { … }`. `:where` leaves the order of precedence as it is without.
 * @param {string} url of the style sheet: new URL('tag.css', import.meta.url).href
 * @returns {Promise<void>} */
export function loadStyles(url) {
  if (document.querySelector(`link[href="${url}"]`)) return Promise.resolve();
  return new Promise((resolve) => {
    const link = document.createElement('link');
    link.rel = 'stylesheet';
    link.href = url;
    // A panel without its styles is better than none.
    link.onload = link.onerror = () => resolve();
    document.head.append(link);
  });
}
