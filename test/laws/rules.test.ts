/** Random rules: the wasm printer, the ops printer and the definition of the language agree. */
import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import type { DeviceDomain } from '../../src/compiler/expression.js';
import { loopOrderOf } from '../../src/compiler/print-wasm.js';
import { layoutOf, type Layout } from '../../src/compiler/layout.js';
import { inputsOf, updateOf, type Rule } from '../../src/compiler/rule.js';
import { useBackend } from '../support/backends.js';
import { compare, type Outcome } from '../support/differential.js';
import { bell, mixture } from '../support/numbers.js';
import type { Shape } from '../support/oracle.js';
import {
  largeShapes,
  makeRule,
  nodesOf,
  primitives,
  recipes,
  reductions,
  smallShapes,
  type Made,
  type Recipe,
} from '../support/random-rule.js';

/**
 * What the random rules had in them; asserted at the end, so that a generator that grows poor does
 * not pass for a green test.
 */
const covered = new Map<string, number>();
const cover = (what: string, times = 1): void =>
  void covered.set(what, (covered.get(what) ?? 0) + times);

type Setting = {
  readonly recipe: Recipe;
  readonly shape: Shape;
  readonly seed: number;
  readonly special: boolean;
};

const settings = (withSums: boolean, shapes: readonly Shape[]): fc.Arbitrary<Setting> =>
  fc.record({
    recipe: recipes(withSums),
    shape: fc.constantFrom(...shapes),
    seed: fc.nat(1e6),
    special: fc.boolean(),
  });

/** Notes what a rule is made of. */
function coverRule(rule: Rule, recipe: Recipe, primitivesOf: Made['primitivesOf']): void {
  const { after } = updateOf(rule, inputsOf(rule).g);
  const written = Object.entries(after).map(([name, value]) => [name, value] as const);
  const nodes = nodesOf(
    ...written.flatMap(([, value]) => (typeof value === 'number' ? [] : [value])),
  );
  const used = new Set([...nodes].flatMap((node) => [...primitivesOf(node)]));
  cover('rules');
  cover('expression trees', written.length);
  for (const name of used) cover(name);
  for (const [name] of written) if (name !== 'w') cover(`${rule.slots[name]} slot written`);
  for (const { op, name } of nodes)
    if (op === 'input' && Object.hasOwn(rule.slots, name!)) cover(`${rule.slots[name!]} slot read`);
  if (rule.initial && recipe.initial > 0 && recipe.slots.length > 0)
    cover(recipe.count === 0 ? 'initial value taken' : 'initial value not taken');
  // The question whether this is a variable's first step is a host condition too, but one that is
  // always there.
  if (
    [...nodes].some(
      ({ type, domain, args }) =>
        type === 'boolean' && domain === 'host' && args[0].name !== '#count',
    )
  )
    cover('host condition');
  if (
    [...nodes].some(({ op, domain }) => op !== 'scalar' && op !== 'constant' && domain === 'host')
  )
    cover('host expression');
}

/** Notes how a rule was planned, and what came out. */
function coverPlan({ plan, defined, sums, outputs }: Outcome, layout: Layout): void {
  if (plan.stages.some(({ domain }) => domain === 'neuron')) cover('neuron stage');
  if (plan.stages.filter(({ domain }) => domain === 'element').length > 1)
    cover('two element sweeps');
  if (plan.buffers.some(({ role }) => role === 'scratch')) cover('scratch');
  cover(loopOrderOf(plan, layout));
  if (layout.size === 0) cover('size 0');
  if (layout.size % 4 !== 0) cover('odd size');
  if (!defined) cover('ambiguous');
  if (sums > 0) cover('rules with sums');
  cover('sums', sums);
  for (const values of outputs.values()) {
    if (values.length === 0) continue;
    cover('outputs');
    if (values.some(Number.isFinite)) cover('outputs with finite values');
  }
}

function run({ recipe, shape, seed, special }: Setting): Outcome {
  const { rule, primitivesOf, slotNames } = makeRule(recipe);
  const layout = layoutOf('test', shape.shape, shape.axes);
  const data = (count: number, part: number): Float32Array =>
    special ? mixture(count, seed + part, 0.3) : bell(count, seed + part);
  const sizes: Record<DeviceDomain, number> = {
    element: layout.size,
    neuron: layout.neurons,
    tensor: 1,
  };
  const inputs = {
    w: data(layout.size, 0),
    g: data(layout.size, 1),
    gradientScale: Float32Array.of(0.375),
    ...Object.fromEntries(slotNames.map((name, i) => [name, data(sizes[recipe.slots[i]], 2 + i)])),
  };
  const outcome = compare({
    rule,
    shape,
    inputs,
    hyperparameters: {},
    count: recipe.count,
    scaled: recipe.scaled,
  });

  coverRule(rule, recipe, primitivesOf);
  coverPlan(outcome, layout);
  if (special) cover('special values');
  return outcome;
}

describe('random rules', () => {
  afterAll(() => {
    if (process.env.COVERAGE_COUNTS) console.log(Object.fromEntries(covered));
  });

  it.each([
    ['wasm', 500, 11],
    ['cpu', 300, 12],
  ] as const)(
    'without sums: bit-identical to ops on the %s backend and to the definition',
    async (backend, numRuns, seed) => {
      await useBackend(backend);
      fc.assert(
        fc.property(
          settings(false, smallShapes),
          (setting) => void expect(run(setting).sums).toBe(0),
        ),
        { numRuns, seed },
      );
    },
  );

  it.each([
    ['wasm', 500, 21],
    ['cpu', 250, 22],
  ] as const)(
    'with sums: bit-identical to ops on the %s backend when both have the same sums; each sum is right',
    async (backend, numRuns, seed) => {
      await useBackend(backend);
      fc.assert(
        fc.property(
          settings(true, smallShapes),
          (setting) => void expect(run(setting).sumError).toBeLessThan(1e-6),
        ),
        { numRuns, seed },
      );
    },
  );

  it.each([
    ['without', false, 60, 31],
    ['with', true, 140, 32],
  ] as const)('%s sums, on tensors larger than the blocks', async (_, withSums, numRuns, seed) => {
    await useBackend('wasm');
    fc.assert(
      fc.property(
        settings(withSums, largeShapes),
        (setting) => void expect(run(setting).sumError).toBeLessThan(1e-6),
      ),
      { numRuns, seed },
    );
  });

  it('had every primitive, every kind of slot and every loop order among them', () => {
    const count = (what: string): number => covered.get(what) ?? 0;
    expect(count('expression trees')).toBeGreaterThan(4000);
    for (const name of primitives) expect(count(name), name).toBeGreaterThan(150);
    for (const name of reductions) expect(count(name), name).toBeGreaterThan(150);
    for (const domain of ['element', 'neuron', 'tensor']) {
      expect(count(`${domain} slot written`), domain).toBeGreaterThan(200);
      expect(count(`${domain} slot read`), domain).toBeGreaterThan(200);
    }
    for (const order of ['columns', 'runs']) expect(count(order), order).toBeGreaterThan(100);
    for (const what of [
      'initial value taken',
      'initial value not taken',
      'host condition',
      'host expression',
      'neuron stage',
      'two element sweeps',
      'scratch',
      'size 0',
      'odd size',
      'special values',
    ]) {
      expect(count(what), what).toBeGreaterThan(100);
    }
    // Rules that give nothing but NaN would agree on everything.
    expect(count('outputs with finite values') / count('outputs')).toBeGreaterThan(0.5);
    expect(count('ambiguous') / count('rules with sums')).toBeLessThan(0.1);
  });
});
