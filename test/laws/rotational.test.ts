/**
 * What must hold for every rotational optimizer, weight and gradient: properties over random
 * shapes, neuron axes, scales and options, on every executor. Angles, norms and means are measured
 * in double from the float32 weights.
 *
 * How exact can an angle be? The weights are float32, so each is up to 6e-8 of itself away from
 * where it should be: an error of at most 1e-7 radians. The length of the tangent comes from |u|^2
 * - (u.w)^2 / |w|^2, whose terms are float32 sums: its relative error is some 2e-7 over `share`,
 * the part of |u|^2 that is tangent. Half of the tolerances below is the most that was seen.
 */
import fc from 'fast-check';
import { beforeAll, describe, expect, test } from 'vitest';
import {
  LionA,
  LionAR,
  RotationalAdamW,
  RotationalLion,
  RotationalSGDM,
  type FusedOptimizer,
  type RotationalOptions,
} from '../../src/optimizers/index.js';
import { inverseBiasCorrection } from '../../src/rules/lion-a.js';
import { inverseBias } from '../reference/lion-a.js';
import {
  centred,
  dot,
  meanOf,
  neuronsOf,
  normOf,
  pick,
  wholeTensor,
} from '../reference/neurons.js';
import {
  places,
  slotsOf,
  train,
  turned,
  valuesOf,
  variableOf,
  type Executor,
} from '../rotational/tools.js';
import { useBackend } from '../support/backends.js';
import { bell, distance, expectSameBits, largest } from '../support/numbers.js';
import { stepWith } from '../support/tensors.js';

/** A shape, the axes that number its neurons, and whether neurons count at all. */
type Form = {
  readonly shape: readonly number[];
  readonly axes: readonly number[];
  readonly perNeuron: boolean;
};

const dimension = (min: number, max: number) => fc.integer({ min, max });
const forms: fc.Arbitrary<Form> = fc.oneof(
  fc
    .tuple(dimension(3, 300), dimension(1, 9))
    .map(([n, k]) => ({ shape: [n, k], axes: [1], perNeuron: true })),
  fc
    .tuple(dimension(3, 3000), dimension(1, 3))
    .map(([n, k]) => ({ shape: [n, k], axes: [1], perNeuron: true })),
  fc
    .tuple(dimension(1, 9), dimension(3, 900))
    .map(([k, n]) => ({ shape: [k, n], axes: [0], perNeuron: true })),
  fc
    .tuple(dimension(2, 3), dimension(2, 3), dimension(1, 6), dimension(1, 7))
    .map((shape) => ({ shape, axes: [2], perNeuron: true })),
  fc
    .tuple(dimension(2, 5), dimension(2, 5), dimension(1, 5), dimension(1, 3))
    .map((shape) => ({ shape, axes: [2, 3], perNeuron: true })),
  fc
    .tuple(dimension(1, 4), dimension(2, 9), dimension(1, 4), dimension(2, 9))
    .map((shape) => ({ shape, axes: [0, 2], perNeuron: true })),
  fc
    .tuple(dimension(2, 60), dimension(2, 9))
    .map(([n, k]) => ({ shape: [n, k], axes: [1], perNeuron: false })),
);

/** One trial: a form, numbers, and how large weights and gradients are. */
const trials = fc.record({
  form: forms,
  seed: fc.integer({ min: 0, max: 1e6 }),
  weightScale: fc.integer({ min: -3, max: 2 }).map((exponent) => 10 ** exponent),
  gradientScale: fc.integer({ min: -4, max: 4 }).map((exponent) => 10 ** exponent),
  /**
   * Weights far from mean 0 and gradients that agree in sign make directions that centring nearly
   * cancels.
   */
  weightMean: fc.constantFrom(0, 0, 1),
  gradientMean: fc.constantFrom(0, 0, 1),
});
type Trial = typeof trials extends fc.Arbitrary<infer T> ? T : never;

const steps = 3;
const neuronsIn = ({ shape, axes, perNeuron }: Form): number[][] =>
  perNeuron ? neuronsOf(shape, axes) : wholeTensor(sizeOf(shape));
const sizeOf = (shape: readonly number[]): number =>
  shape.reduce((product, length) => product * length, 1);
const startOf = ({ form, seed, weightScale, weightMean }: Trial): Float32Array =>
  bell(sizeOf(form.shape), seed).map((value) => weightScale * (value + weightMean));
const gradientsOf = (
  { form, seed, gradientScale, gradientMean }: Trial,
  count = steps,
): Float32Array[] =>
  Array.from({ length: count }, (_, t) =>
    bell(sizeOf(form.shape), 2 * seed + 7 * t + 1).map(
      (value) => gradientScale * (value + gradientMean),
    ),
  );
const groupsFor = ({ axes }: Form, name: string) => [{ match: name, neuronAxis: [...axes] }];

/** Options that change what a rotational step is. */
const variants = fc.record({
  zeroMean: fc.boolean(),
  updateNormDecay: fc.constantFrom(0, 0.9, 0.5),
  learningRate: fc.constantFrom(1e-4, 0.01, 0.1),
  weightDecay: fc.constantFrom(0.1, 1),
});
type Variant = {
  zeroMean: boolean;
  updateNormDecay: number;
  learningRate: number;
  weightDecay: number;
};

type Kind = 'adamw' | 'sgdm' | 'lion';
const classes = { adamw: RotationalAdamW, sgdm: RotationalSGDM, lion: RotationalLion };
const rate: Record<Kind, (etaLambda: number) => number> = {
  adamw: (etaLambda) => Math.sqrt((2 * etaLambda * 0.1) / 1.9),
  sgdm: (etaLambda) => Math.sqrt((2 * etaLambda) / 1.9),
  lion: (etaLambda) => Math.sqrt(Math.PI * etaLambda * (0.01 + (0.81 * 0.01) / 1.99)),
};

/** The direction of the step just taken, from the moments that it left behind. */
function directionOf(
  kind: Kind,
  slots: Record<string, Float32Array>,
  before: Record<string, Float32Array> | undefined,
  g: ArrayLike<number>,
  t: number,
): Float64Array {
  if (kind === 'adamw')
    return Float64Array.from(
      slots.m,
      (m, i) => m / (1 - 0.9 ** t) / (Math.sqrt(slots.v[i] / (1 - 0.999 ** t)) + 1e-8),
    );
  if (kind === 'sgdm') return Float64Array.from(slots.m);
  return Float64Array.from(slots.m, (_, i) => Math.sign(0.9 * (before?.m[i] ?? 0) + 0.1 * g[i]));
}

/** |u|^2 of a neuron without its mean and its part along w, and the part of |u|^2 that this is. */
function tangentOf(
  u: ArrayLike<number>,
  w: ArrayLike<number>,
  indices: readonly number[],
  zeroMean: boolean,
): { squared: number; share: number } {
  const whole = pick(u, indices);
  const [direction, weight] = zeroMean
    ? [centred(whole), centred(pick(w, indices))]
    : [whole, pick(w, indices)];
  const along = dot(direction, weight) / dot(weight, weight);
  const p = direction.map((value, i) => value - along * weight[i]);
  return { squared: dot(p, p), share: dot(p, p) / dot(whole, whole) };
}

/**
 * Below this share of the tangent float32 sums do not give its length to three digits: such a
 * direction is next to none.
 */
const measurableShare = 1e-4;

const normTolerance = (size: number): number => 1e-6 * Math.sqrt(Math.max(1, size / 256));
const angleTolerance = (angle: number, share: number): number =>
  1e-7 + angle * (1e-6 + 1e-6 / share);

/** What broke a law: an empty list compares faster than a thousand expectations. */
class Violations {
  readonly #found: string[] = [];
  atMost(value: number, bound: number, law: string): void {
    if (!(value <= bound)) this.#found.push(`${law}: ${value} is above ${bound}`);
  }
  check(): void {
    expect(this.#found).toEqual([]);
  }
}

/**
 * Norm and mean of a neuron after a step; what its tangent's length is not known to is in the norm
 * as well, times the squared angle.
 */
function checkSphere(
  violations: Violations,
  start: ArrayLike<number>,
  after: ArrayLike<number>,
  indices: readonly number[],
  { zeroMean, angle, share }: { zeroMean: boolean; angle: number; share: number },
): void {
  const [norm, own] = [normOf(pick(start, indices)), pick(after, indices)];
  violations.atMost(
    Math.abs(normOf(own) / norm - 1),
    normTolerance(own.length) + (3e-7 * angle ** 2) / share,
    'the norm is kept',
  );
  if (zeroMean)
    violations.atMost(
      Math.abs(meanOf(own)),
      (1e-6 * norm) / Math.sqrt(own.length),
      'the mean stays 0',
    );
}

/**
 * Gradients in which each element has a scale of its own are so many different numbers that none is
 * 0.
 */
const powers = fc.constantFrom(2 ** 12, 2 ** -7, 2 ** 3);

describe.each(places)('%s, executor %s', (backend, executor: Executor) => {
  beforeAll(() => useBackend(backend));
  // Each run compiles kernels of its own. Operations are slow, and cpu runs the kernels of wasm.
  const runs = (numRuns: number, seed: number) => ({
    seed,
    numRuns: backend === 'wasm' && executor === 'auto' ? numRuns : Math.ceil(numRuns / 3),
  });

  describe.each(['adamw', 'sgdm', 'lion'] as const)('rotational %s', (kind) => {
    const make =
      (options: Partial<Variant> & { epsilon?: number }, form: Form) =>
      (name: string): FusedOptimizer => {
        const common = {
          learningRate: 0.01,
          weightDecay: 0.1,
          ...options,
          perNeuron: form.perNeuron,
          executor,
          groups: groupsFor(form, name),
        };
        return new classes[kind](common as RotationalOptions);
      };

    test('norm and mean are kept; the angle is atan(eta_r |u| / (A + 1e-8)) and has its bound', async () => {
      await fc.assert(
        fc.asyncProperty(trials, variants, async (trial, variant) => {
          const { form } = trial;
          const { zeroMean, updateNormDecay: decay, learningRate, weightDecay } = variant;
          const neurons = neuronsIn(form);
          const start = startOf(trial);
          const variable = variableOf(start, form.shape);
          const optimizer = make(variant, form)(variable.name);
          optimizer.prepare([variable]);
          const rotation = rate[kind](learningRate * weightDecay);
          const energy = neurons.map(() => 0);
          const violations = new Violations();
          let [weights, slots]: [Float32Array, Record<string, Float32Array> | undefined] = [
            valuesOf(variable),
            undefined,
          ];
          for (const [i, g] of gradientsOf(trial).entries()) {
            const t = i + 1;
            const before = { weights, slots };
            stepWith(optimizer, [variable, g]);
            weights = valuesOf(variable);
            slots = await slotsOf(optimizer, variable);
            const u = directionOf(kind, slots, before.slots, g, t);
            neurons.forEach((indices, k) => {
              const { squared, share } = tangentOf(u, before.weights, indices, zeroMean);
              energy[k] = decay * energy[k] + (1 - decay) * squared;
              if (share < measurableShare) return;
              const A = Math.sqrt(energy[k] / (1 - decay ** t));
              const expected = Math.atan((rotation * Math.sqrt(squared)) / (A + 1e-8));
              const angle = turned(before.weights, weights, indices);
              checkSphere(violations, start, weights, indices, { zeroMean, angle, share });
              violations.atMost(
                Math.abs(angle - expected),
                angleTolerance(expected, share),
                'the angle is exact',
              );
              if (decay === 0 || t === 1)
                violations.atMost(
                  Math.abs(angle - Math.atan(rotation)),
                  angleTolerance(rotation, share) + (1e-8 * rotation) / Math.sqrt(squared),
                  'the angle is atan(eta_r)',
                );
              const bound = Math.atan(rotation * Math.sqrt((1 - decay ** t) / (1 - decay)));
              violations.atMost(
                angle,
                bound + angleTolerance(bound, share),
                'the angle is bounded',
              );
            });
          }
          optimizer.dispose();
          variable.dispose();
          violations.check();
        }),
        runs(24, 41),
      );
    });

    test('gradients scaled by a power of two: the same bits', () => {
      fc.assert(
        fc.property(trials, powers, fc.boolean(), (trial, power, zeroMean) => {
          const { form } = trial;
          // Of 1 and more, so that float32 does not see the 1e-8 that SGDM's and AdamW's divisors
          // are kept from zero with.
          const run = {
            shape: form.shape,
            start: startOf(trial),
            gradients: gradientsOf({ ...trial, gradientScale: 1000 }),
          };
          const options = { zeroMean, ...(kind === 'adamw' ? { epsilon: 0 } : {}) };
          const plain = train(make(options, form), run);
          const scaled = train(make(options, form), {
            ...run,
            gradients: run.gradients.map((g) => g.map((value) => value * power)),
          });
          plain.forEach((weights, t) =>
            expectSameBits(scaled[t], weights, `weights after ${t} steps`),
          );
        }),
        runs(10, 42),
      );
    });

    test('gradients scaled by any number: the same weights but for rounding', () => {
      fc.assert(
        fc.property(trials, fc.double({ min: 0.01, max: 100, noNaN: true }), (trial, factor) => {
          const { form } = trial;
          const run = {
            shape: form.shape,
            start: startOf(trial),
            gradients: gradientsOf({ ...trial, gradientScale: 1000, gradientMean: 0 }),
          };
          const plain = train(make({}, form), run).at(-1)!;
          const scaled = train(make({}, form), {
            ...run,
            gradients: run.gradients.map((g) => g.map((value) => value * factor)),
          }).at(-1)!;
          // Steps of .01 to .03 radians; a sign of what rounding decides would be seen as 1e-3.
          expect(distance(scaled, plain)).toBeLessThan(1e-6 * largest(plain));
        }),
        runs(9, 43),
      );
    });

    test('weights scaled by a power of two: the trajectory scales with them', () => {
      fc.assert(
        fc.property(trials, powers, fc.boolean(), (trial, power, zeroMean) => {
          const { form } = trial;
          const run = { shape: form.shape, start: startOf(trial), gradients: gradientsOf(trial) };
          const plain = train(make({ zeroMean }, form), run);
          const scaled = train(make({ zeroMean }, form), {
            ...run,
            start: run.start.map((value) => value * power),
          });
          plain.forEach((weights, t) =>
            expectSameBits(
              scaled[t],
              weights.map((value) => value * power),
              `weights after ${t} steps`,
            ),
          );
        }),
        runs(10, 44),
      );
    });

    test('only the product of learning rate and weight decay counts', () => {
      fc.assert(
        fc.property(trials, (trial) => {
          const { form } = trial;
          const run = { shape: form.shape, start: startOf(trial), gradients: gradientsOf(trial) };
          const one = train(make({ learningRate: 0.01, weightDecay: 0.1 }, form), run);
          const other = train(make({ learningRate: 0.01 / 8, weightDecay: 0.8 }, form), run);
          one.forEach((weights, t) =>
            expectSameBits(other[t], weights, `weights after ${t} steps`),
          );
        }),
        runs(4, 45),
      );
    });
  });

  describe('LionAR', () => {
    const lionVariants = fc.record({
      beta: fc.constantFrom(0, 0.9, 0.98),
      nesterov: fc.boolean(),
      biasCorrection: fc.constantFrom('none' as const, 'inverse' as const, 'inverseNoise' as const),
      zeroMean: fc.boolean(),
      exactAngle: fc.boolean(),
      angle: fc.constantFrom<{ rotation: number } | { equilibriumRate: 'adamw' | 'lion' }>(
        { rotation: 0.04 },
        { rotation: 0.3 },
        { rotation: 3e-4 },
        { equilibriumRate: 'adamw' },
        { equilibriumRate: 'lion' },
      ),
    });
    type LionVariant = typeof lionVariants extends fc.Arbitrary<infer T> ? T : never;
    const rates = { learningRate: 0.01, weightDecay: 0.1 };
    const make =
      ({ angle, ...variant }: LionVariant, form: Form) =>
      (name: string): FusedOptimizer =>
        new LionAR({
          ...rates,
          ...variant,
          ...angle,
          perNeuron: form.perNeuron,
          executor,
          groups: groupsFor(form, name),
        });

    const derived = ({ beta, nesterov, angle }: LionVariant): number => {
      if ('rotation' in angle) return angle.rotation;
      const k = (1 - beta) / (1 + beta);
      if (angle.equilibriumRate === 'adamw') return Math.sqrt(2e-3 * k);
      const first = nesterov ? beta ** 2 : beta;
      return Math.sqrt(Math.PI * 1e-3 * ((1 - first) ** 2 + first ** 2 * k));
    };

    test('every neuron turns by atan(f_t eta_r) in every step, the first included, or by exactly f_t eta_r', () => {
      fc.assert(
        fc.property(trials, lionVariants, (trial, variant) => {
          const { form } = trial;
          const { beta, nesterov, zeroMean, exactAngle, biasCorrection } = variant;
          const run = {
            shape: form.shape,
            start: startOf(trial),
            gradients: gradientsOf(trial, 4),
          };
          const weights = train(make(variant, form), run);
          const m = new Float64Array(run.start.length);
          const violations = new Violations();
          run.gradients.forEach((g, i) => {
            const first = nesterov ? beta ** 2 : beta;
            const signs = Float64Array.from(g, (value, j) =>
              Math.sign(first * m[j] + (1 - first) * value),
            );
            for (let j = 0; j < m.length; j++) m[j] = beta * m[j] + (1 - beta) * g[j];
            const theta = inverseBias(biasCorrection, beta, i + 1) * derived(variant);
            for (const indices of neuronsIn(form)) {
              const { share } = tangentOf(signs, weights[i], indices, zeroMean);
              if (!(share >= measurableShare)) continue;
              const expected = exactAngle ? theta : Math.atan(theta);
              checkSphere(violations, run.start, weights[i + 1], indices, {
                zeroMean,
                angle: expected,
                share,
              });
              violations.atMost(
                Math.abs(turned(weights[i], weights[i + 1], indices) - expected),
                angleTolerance(expected, share),
                `the angle of step ${i}`,
              );
            }
          });
          violations.check();
        }),
        runs(50, 46),
      );
    });

    test('gradients and weights scaled by powers of two: the same bits', () => {
      fc.assert(
        fc.property(
          trials,
          lionVariants,
          powers,
          powers,
          (trial, variant, gradientPower, weightPower) => {
            const run = {
              shape: trial.form.shape,
              start: startOf(trial),
              gradients: gradientsOf(trial),
            };
            const plain = train(make(variant, trial.form), run);
            const scaled = train(make(variant, trial.form), {
              ...run,
              start: run.start.map((value) => value * weightPower),
              gradients: run.gradients.map((g) => g.map((value) => value * gradientPower)),
            });
            plain.forEach((weights, t) =>
              expectSameBits(
                scaled[t],
                weights.map((value) => value * weightPower),
                `weights after ${t} steps`,
              ),
            );
          },
        ),
        runs(12, 47),
      );
    });
  });

  describe('LionA', () => {
    const lionAVariants = fc.record({
      beta: fc.constantFrom(0, 0.9, 0.98),
      nesterov: fc.boolean(),
      matchAdamW: fc.boolean(),
      biasCorrection: fc.constantFrom('none' as const, 'inverse' as const, 'inverseNoise' as const),
    });

    test('without decay every element moves by eta f_t kA, the first step is no larger than any other, and scale does not count', () => {
      fc.assert(
        fc.property(trials, lionAVariants, powers, (trial, variant, power) => {
          const { beta, matchAdamW, biasCorrection } = variant;
          // From zero, where the update is not rounded away against the weight.
          const run = {
            shape: trial.form.shape,
            start: new Float32Array(sizeOf(trial.form.shape)),
            gradients: gradientsOf(trial, 5),
          };
          const make = () =>
            new LionA({ learningRate: 0.01, weightDecay: 0, ...variant, executor });
          const weights = train(make, run);
          const scaled = train(make, {
            ...run,
            gradients: run.gradients.map((g) => g.map((value) => value * power)),
          });
          weights.forEach((after, t) =>
            expectSameBits(scaled[t], after, `weights after ${t} steps`),
          );
          const size = 0.01 * (matchAdamW ? Math.sqrt((1 - beta) / (1 + beta)) : 1);
          const violations = new Violations();
          run.gradients.forEach((_, i) => {
            const expected = size * inverseBias(biasCorrection, beta, i + 1);
            const moves = Array.from(weights[i + 1], (value, j) => Math.abs(value - weights[i][j]));
            violations.atMost(
              Math.max(...moves.map((move) => Math.abs(move - expected))),
              1e-7 * expected + 1e-7 * largest(weights[i + 1]),
              `step ${i}`,
            );
            violations.atMost(expected, size, 'no step is above the matched size');
          });
          violations.check();
        }),
        runs(12, 48),
      );
    });
  });
});

test('the inverse bias corrections lie in (0, 1], grow towards 1, and the one for a signal is the smaller', () => {
  fc.assert(
    fc.property(
      fc.double({ min: 0, max: 0.999, noNaN: true }),
      fc.integer({ min: 1, max: 5000 }),
      (beta, t) => {
        const [signal, noise] = [
          inverseBiasCorrection('inverse', beta, t),
          inverseBiasCorrection('inverseNoise', beta, t),
        ];
        expect(signal).toBeGreaterThan(0);
        expect(noise).toBeLessThanOrEqual(1);
        expect(signal).toBeLessThanOrEqual(noise);
        expect(inverseBiasCorrection('inverse', beta, t + 1)).toBeGreaterThanOrEqual(signal);
        expect(inverseBiasCorrection('inverseNoise', beta, t + 1)).toBeGreaterThanOrEqual(noise);
        expect(inverseBiasCorrection('none', beta, t)).toBe(1);
      },
    ),
    { seed: 49 },
  );
  // The table for beta = .98.
  for (const [t, signal, noise] of [
    [1, 0.02, 0.199],
    [50, 0.636, 0.931],
    [200, 0.982, 1],
  ]) {
    expect(inverseBiasCorrection('inverse', 0.98, t)).toBeCloseTo(signal, 3);
    expect(inverseBiasCorrection('inverseNoise', 0.98, t)).toBeCloseTo(noise, 3);
  }
});
