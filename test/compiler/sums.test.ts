/**
 * Sums are within 1e-6 of the sum of magnitudes, however long they are and in whatever order the
 * kernel loops.
 */
import { beforeAll, describe, expect, it } from 'vitest';
import { abs, mul, neuronSum, square, tensorSum } from '../../src/compiler/expression.js';
import { layoutOf } from '../../src/compiler/layout.js';
import { loopOrderOf } from '../../src/compiler/print-wasm.js';
import { planUpdate } from '../../src/compiler/program.js';
import { defineRule } from '../../src/compiler/define-rule.js';
import { randomNumbers } from '../../src/random.js';
import { useBackend } from '../support/backends.js';
import { runOpsOn } from '../support/differential.js';
import { runKernel } from '../support/kernel.js';
import { bell } from '../support/numbers.js';
import { neuronOfElement, type Shape } from '../support/oracle.js';

const whole = defineRule({
  name: 'whole',
  slots: { t: 'tensor' },
  update: ({ g }) => ({ t: tensorSum(g) }),
});
const four = defineRule({
  name: 'four',
  slots: { t: 'tensor', a: 'tensor', b: 'tensor', c: 'tensor' },
  update: ({ w, g }) => ({
    t: tensorSum(g),
    a: tensorSum(w),
    b: tensorSum(square(g)),
    c: tensorSum(abs(w)),
  }),
});
const both = defineRule({
  name: 'both',
  slots: { n: 'neuron', t: 'tensor' },
  update: ({ g }) => ({ n: neuronSum(g), t: tensorSum(g) }),
});
const nested = defineRule({
  name: 'nested',
  slots: { n: 'neuron', t: 'tensor' },
  update: ({ g }) => ({ n: neuronSum(g), t: tensorSum(mul(neuronSum(g), 1)) }),
});

const shape = (sizes: number[], ...axes: number[]): Shape => ({ shape: sizes, axes });
const cases = [
  ['runs', whole, shape([300007], 0)],
  ['runs', four, shape([150001], 0)],
  ['columns', both, shape([300007], 0)],
  ['columns', nested, shape([300007], 0)],
  ['columns', both, shape([3, 80021], 1)],
  ['columns', both, shape([60013, 5], 1)],
  ['runs', both, shape([5, 60013], 0)],
  ['runs', nested, shape([60013, 5], 0)],
  ['runs', both, shape([3, 9001, 3, 3], 2)],
  ['columns', both, shape([151, 3, 150, 3], 1, 3)],
] as const;

// Equal terms are the worst case: every addition rounds the same way. These lose most in a run of
// 64, 256 or 4096.
const equalTerms = [0.1, 1.016, 1.0323, 1.2505, 1.3335, 1.9].map(
  (value) => [`all ${value}`, (size: number) => new Float32Array(size).fill(value)] as const,
);
const data: readonly (readonly [string, (size: number) => Float32Array])[] = [
  ...equalTerms,
  ['uniform', (size) => Float32Array.from({ length: size }, randomNumbers(5))],
  ['both signs', (size) => bell(size, 6)],
];

/** The largest error of the slots `n` and `t`, as a part of the sum of magnitudes. */
function errorOf(
  values: ReadonlyMap<string, Float32Array>,
  g: Float32Array,
  neuronOf: Int32Array,
): number {
  const neurons = values.get('n')?.length ?? 1;
  const exact = new Float64Array(neurons);
  const magnitudes = new Float64Array(neurons);
  let total = 0;
  let magnitude = 0;
  for (let i = 0; i < g.length; i++) {
    const neuron = neurons === 1 ? 0 : neuronOf[i];
    exact[neuron] += g[i];
    magnitudes[neuron] += Math.abs(g[i]);
    total += g[i];
    magnitude += Math.abs(g[i]);
  }
  let most = Math.abs(values.get('t')![0] - total) / magnitude;
  values
    .get('n')
    ?.forEach((value, i) => (most = Math.max(most, Math.abs(value - exact[i]) / magnitudes[i])));
  return most;
}

describe.each(cases)('%s', (order, rule, at) => {
  const layout = layoutOf('test', at.shape, at.axes);
  const plan = planUpdate(rule, false);
  const neuronOf = neuronOfElement(at);
  const inputsOf = (g: Float32Array) => ({
    w: g,
    g,
    t: new Float32Array(1),
    a: new Float32Array(1),
    b: new Float32Array(1),
    c: new Float32Array(1),
    n: new Float32Array(layout.neurons),
  });
  const title = `${rule.name} [${at.shape}] axis ${at.axes}`;

  it(`kernel: ${title}`, () => {
    expect(loopOrderOf(plan, layout)).toBe(order);
    for (const [name, make] of data) {
      const g = make(layout.size);
      const values = runKernel(plan, layout, inputsOf(g), {});
      expect(
        errorOf(
          new Map(
            [...values]
              .filter(([{ role }]) => role === 'slot')
              .map(([{ name: slot }, value]) => [slot, value]),
          ),
          g,
          neuronOf,
        ),
        name,
      ).toBeLessThan(1e-6);
    }
  });

  describe.each(['wasm', 'cpu'] as const)('ops on %s', (backend) => {
    beforeAll(() => useBackend(backend));
    it(title, () => {
      for (const [name, make] of backend === 'wasm' ? data.slice(2) : data.slice(3, 4)) {
        const g = make(layout.size);
        const values = runOpsOn(plan, at, inputsOf(g), new Float32Array(plan.scalars.length));
        expect(
          errorOf(
            new Map([...values].map(([{ name: slot }, value]) => [slot, value])),
            g,
            neuronOf,
          ),
          name,
        ).toBeLessThan(1e-6);
      }
    });
  });
});

describe('a sum of nothing', () => {
  it.each(['wasm', 'cpu'] as const)('is 0, in the kernel and in ops on %s', async (backend) => {
    await useBackend(backend);
    for (const at of [
      shape([0], 0),
      shape([0, 3], 1),
      shape([0, 3], 0),
      shape([3, 0], 0),
      shape([3, 0], 1),
    ]) {
      const layout = layoutOf('test', at.shape, at.axes);
      const plan = planUpdate(both, false);
      const inputs = {
        w: new Float32Array(0),
        g: new Float32Array(0),
        n: new Float32Array(layout.neurons).fill(5),
        t: Float32Array.of(5),
      };
      for (const values of [
        runKernel(plan, layout, inputs, {}),
        runOpsOn(plan, at, inputs, new Float32Array(0)),
      ]) {
        for (const [{ name, role }, value] of values)
          if (role === 'slot')
            expect([...value], `${name} of [${at.shape}]`).toEqual(Array(value.length).fill(0));
      }
    }
  });
});
