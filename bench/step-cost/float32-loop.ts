/** AdamW as one would write it by hand in JavaScript: one loop over typed arrays. */
import { randomValues } from '../../src/optimizers/measure-step.js';
import type { Shape } from './cases.js';
import type { Running } from './subject.js';

type Arrays = Readonly<Record<'w' | 'g' | 'm' | 'v', Float32Array>>;
type Scalars = Readonly<Record<'beta1' | 'beta2' | 'keep' | 'stepSize' | 'epsilon', number>>;

const [learningRate, beta1, beta2, weightDecay, epsilon] = [1e-3, 0.9, 0.999, 0.01, 1e-8];

export async function startLoop(shapes: readonly Shape[]): Promise<Running> {
  const tensors = shapes.map((shape, i): Arrays => {
    const size = shape.reduce((product, length) => product * length, 1);
    return {
      w: randomValues(size, -2 - i),
      g: randomValues(size, i),
      m: new Float32Array(size),
      v: new Float32Array(size),
    };
  });
  let count = 0;
  return {
    bytes: () => 28 * tensors.reduce((sum, { w }) => sum + w.length, 0),
    step: () => {
      const start = performance.now();
      count++;
      const root = Math.sqrt(1 - beta2 ** count);
      const scalars = {
        beta1,
        beta2,
        keep: 1 - learningRate * weightDecay,
        stepSize: (learningRate * root) / (1 - beta1 ** count),
        epsilon: epsilon * root,
      };
      for (const arrays of tensors) update(arrays, scalars);
      return performance.now() - start;
    },
  };
}

function update({ w, g, m, v }: Arrays, { beta1, beta2, keep, stepSize, epsilon }: Scalars): void {
  for (let i = 0; i < w.length; i++) {
    m[i] = beta1 * m[i] + (1 - beta1) * g[i];
    v[i] = beta2 * v[i] + (1 - beta2) * g[i] * g[i];
    w[i] = keep * w[i] - (stepSize * m[i]) / (Math.sqrt(v[i]) + epsilon);
  }
}
