/** t-SNE, exact: van der Maaten and Hinton, Visualizing Data using t-SNE, JMLR 9 (2008). */

const ITERATIONS = 500;
const EXAGGERATION = 12;
const EXAGGERATED = 125;
const LARGEST_PERPLEXITY = 30;

/** Place vectors so that near ones stay near.
 * @param {Float32Array[]} vectors [N, D], at least four
 * @param {number} dimensions 2 or 3
 * @param {(points: Float32Array, share: number) => void} onStep hears the points [N * dimensions] and how much is done
 * @returns {Float32Array} [N * dimensions] */
export function tsne(vectors, dimensions, onStep = () => {}) {
  const count = vectors.length;
  const p = affinities(squaredDistances(vectors), count);
  const y = Float32Array.from({ length: count * dimensions }, (_, index) => start(index));
  const velocity = new Float32Array(y.length);
  const gradient = new Float32Array(y.length);
  const q = new Float32Array(count * count);
  const rate = Math.max(count / EXAGGERATION, 20);
  for (let step = 0; step < ITERATIONS; step += 1) {
    const factor = step < EXAGGERATED ? EXAGGERATION : 1;
    const total = studentKernel(y, q, count, dimensions);
    gradient.fill(0);
    for (let i = 0; i < count; i += 1) {
      for (let j = 0; j < count; j += 1) {
        const kernel = q[i * count + j];
        const force = 4 * (factor * p[i * count + j] - kernel / total) * kernel;
        for (let d = 0; d < dimensions; d += 1) gradient[i * dimensions + d] += force * (y[i * dimensions + d] - y[j * dimensions + d]);
      }
    }
    const momentum = step < EXAGGERATED ? 0.5 : 0.8;
    for (let index = 0; index < y.length; index += 1) {
      velocity[index] = momentum * velocity[index] - rate * gradient[index];
      y[index] += velocity[index];
    }
    if (step % 10 === 9) onStep(y, (step + 1) / ITERATIONS);
  }
  return y;
}

/** A small number for each index, always the same: the same words give the same map. @param {number} index */
const start = (index) => ((Math.sin(index * 12.9898 + 1) * 43758.5453) % 1) * 1e-2;

/** @param {Float32Array} y @param {Float32Array} q receives 1 / (1 + distance squared), 0 on the diagonal
 * @param {number} count @param {number} dimensions @returns {number} their sum */
function studentKernel(y, q, count, dimensions) {
  let total = 0;
  for (let i = 0; i < count; i += 1) {
    q[i * count + i] = 0;
    for (let j = 0; j < i; j += 1) {
      let distance = 1;
      for (let d = 0; d < dimensions; d += 1) {
        const difference = y[i * dimensions + d] - y[j * dimensions + d];
        distance += difference * difference;
      }
      q[i * count + j] = q[j * count + i] = 1 / distance;
      total += 2 / distance;
    }
  }
  return total;
}

/** @param {Float32Array[]} vectors */
function squaredDistances(vectors) {
  const count = vectors.length;
  const result = new Float32Array(count * count);
  for (let i = 0; i < count; i += 1) {
    for (let j = 0; j < i; j += 1) {
      let sum = 0;
      const a = vectors[i];
      const b = vectors[j];
      for (let d = 0; d < a.length; d += 1) sum += (a[d] - b[d]) ** 2;
      result[i * count + j] = result[j * count + i] = sum;
    }
  }
  return result;
}

/** The symmetric affinities of section 2; the bandwidth of each point gives it the perplexity.
 * @param {Float32Array} distances [N * N], squared @param {number} count */
function affinities(distances, count) {
  const entropy = Math.log(Math.min(LARGEST_PERPLEXITY, (count - 1) / 3));
  const p = new Float32Array(count * count);
  const row = new Float64Array(count);
  for (let i = 0; i < count; i += 1) {
    let [low, high, beta] = [0, Infinity, 1];
    for (let step = 0; step < 60; step += 1) {
      let sum = 0;
      let weighted = 0;
      for (let j = 0; j < count; j += 1) {
        row[j] = i === j ? 0 : Math.exp(-beta * distances[i * count + j]);
        sum += row[j];
        weighted += row[j] * distances[i * count + j];
      }
      const reached = sum > 0 ? Math.log(sum) + (beta * weighted) / sum : 0;
      for (let j = 0; j < count; j += 1) row[j] /= sum || 1;
      if (Math.abs(reached - entropy) < 1e-4) break;
      if (reached > entropy) [low, beta] = [beta, Number.isFinite(high) ? (beta + high) / 2 : beta * 2];
      else [high, beta] = [beta, (beta + low) / 2];
    }
    for (let j = 0; j < count; j += 1) p[i * count + j] = row[j];
  }
  for (let i = 0; i < count; i += 1) {
    for (let j = 0; j < i; j += 1) {
      const mean = (p[i * count + j] + p[j * count + i]) / (2 * count);
      p[i * count + j] = p[j * count + i] = Math.max(mean, 1e-12);
    }
  }
  return p;
}
