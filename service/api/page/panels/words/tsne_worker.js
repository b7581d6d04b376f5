/** Runs t-SNE beside the page, which stays quick meanwhile. */
import { tsne } from './tsne.js';

self.onmessage = ({ data: { vectors, dimensions } }) => {
  const points = tsne(vectors, dimensions, (now, share) => self.postMessage({ points: now.slice(), share }));
  self.postMessage({ points, share: 1 });
};
