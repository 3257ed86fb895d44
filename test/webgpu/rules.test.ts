/**
 * Random rules on webgpu: as near to the exact values as WGSL promises, and so to tfjs operations;
 * the same bits in every run.
 */
import * as tf from '@tensorflow/tfjs-core';
import fc from 'fast-check';
import { afterAll, expect, it } from 'vitest';
import { evaluate } from '../support/evaluate.js';
import type { DeviceDomain } from '../../src/compiler/expression.js';
import { layoutOf } from '../../src/compiler/layout.js';
import { planUpdate, slotShape } from '../../src/compiler/program.js';
import { hostScalars, inputsOf, updateOf } from '../../src/compiler/rule.js';
import { chooseExecutor } from '../../src/executors/choose.js';
import { bell, firstDifference } from '../support/numbers.js';
import type { Shape } from '../support/oracle.js';
import {
  largeShapes,
  makeRule,
  recipes,
  smallShapes,
  type Recipe,
} from '../support/random-rule.js';
import { Bounds } from './bounds.js';
import { describeWebGPU } from './support/vitest.js';
import { variableOf } from './tools.js';

type Setting = { readonly recipe: Recipe; readonly shape: Shape; readonly seed: number };
type Results = Record<string, Float32Array>;

/** WGSL may assume that there are no infinities, NaN or denormal numbers. */
const ordinary = (value: number): number =>
  Math.abs(value) < 1e-6 || !(Math.abs(value) < 1e6) ? 0.75 : value;
const settings = (withSums: boolean, shapes: readonly Shape[]): fc.Arbitrary<Setting> =>
  fc.record({
    recipe: recipes(withSums).map((recipe) => ({
      ...recipe,
      constants: recipe.constants.map(ordinary),
      scalars: {
        a: ordinary(recipe.scalars.a),
        b: ordinary(recipe.scalars.b),
        c: ordinary(recipe.scalars.c),
      },
      scaled: false,
    })),
    shape: fc.constantFrom(...shapes.filter(({ shape }) => !shape.includes(0))),
    seed: fc.nat(1e6),
  });

/**
 * How many results there were, how many of them were finite whatever the rounding, and how many had
 * at least four digits.
 */
const judged = { results: 0, bounded: 0, tight: 0, sums: 0 };

async function check({ recipe, shape, seed }: Setting): Promise<void> {
  const { rule, slotNames } = makeRule(recipe);
  const layout = layoutOf('test', shape.shape, shape.axes);
  const plan = planUpdate(rule, false);
  const sizes: Record<DeviceDomain, number> = {
    element: layout.size,
    neuron: layout.neurons,
    tensor: 1,
  };
  const inputs: Results = {
    w: bell(layout.size, seed),
    g: bell(layout.size, seed + 1),
    ...Object.fromEntries(
      slotNames.map((name, i) => [name, bell(sizes[recipe.slots[i]], seed + 2 + i)]),
    ),
  };
  const values = hostScalars(rule, {
    learningRate: 0,
    weightDecay: 0,
    count: recipe.count,
    step: recipe.count,
    size: layout.size,
    neurons: layout.neurons,
    fanIn: layout.fanIn,
  });

  const run = async (choice: 'auto' | 'ops'): Promise<Results> => {
    const executor = chooseExecutor(choice);
    expect(executor.name).toBe(choice === 'ops' ? 'ops' : 'webgpu');
    const [variable, gradient] = [
      variableOf(inputs.w, [...shape.shape]),
      tf.tensor(inputs.g.slice(), [...shape.shape]),
    ];
    const shapes = Object.fromEntries(
      slotNames.map((name, i) => [name, slotShape(recipe.slots[i], shape.shape, layout)]),
    );
    const created = executor.create(variable.name, shapes);
    const slots = slotNames.map((name) => tf.tensor(inputs[name].slice(), shapes[name]));
    slotNames.forEach((name, i) => executor.write(created[name], slots[i]));
    executor.step([{ variable, gradient, slots: created, plan, layout, values }]);
    const results: Results = { w: (await variable.data()).slice() as Float32Array };
    for (const name of slotNames) {
      const slot = executor.read(created[name]);
      results[name] = (await slot.data()).slice() as Float32Array;
      slot.dispose();
    }
    executor.dispose();
    tf.dispose([variable, gradient, slots]);
    return results;
  };

  expect(await tf.setBackend('cpu')).toBe(true);
  const ops = await run('ops');
  expect(await tf.setBackend('webgpu')).toBe(true);
  const webgpu = await run('auto');
  const again = await run('auto');
  for (const [name, found] of Object.entries(webgpu))
    expect(firstDifference(again[name], found), `${name}, run again`).toBeUndefined();

  const bounds = new Bounds(shape, inputs, (expression) => evaluate(expression, values));
  const { after } = updateOf(rule, inputsOf(rule).g);
  judged.sums += plan.buffers.filter(({ role }) => role === 'sum').length;
  for (const [name, found] of Object.entries(webgpu)) {
    const value = after[name];
    if (value === undefined) {
      expect(
        firstDifference(found, inputs[name]),
        `${name}, which keeps its value`,
      ).toBeUndefined();
      continue;
    }
    const expression =
      typeof value === 'number'
        ? ({ op: 'constant', domain: 'host', type: 'number', args: [], value } as const)
        : value;
    const { values: exact, errors } = bounds.on(
      expression,
      name === 'w' ? 'element' : (rule.slots[name] as DeviceDomain),
    );
    judged.results += found.length;
    for (let i = 0; i < found.length; i++) {
      if (errors[i] === Infinity) continue;
      judged.bounded++;
      if (errors[i] <= 1e-4 * Math.abs(exact[i])) judged.tight++;
      if (!(Math.abs(found[i] - exact[i]) <= errors[i]))
        throw new Error(
          `webgpu: ${name}[${i}] is ${found[i]} instead of ${exact[i]} ± ${errors[i]}`,
        );
      // Both are within the bound of the exact value, and so within twice the bound of each other.
      if (!(Math.abs(ops[name][i] - exact[i]) <= errors[i]))
        throw new Error(
          `ops: ${name}[${i}] is ${ops[name][i]} instead of ${exact[i]} ± ${errors[i]}`,
        );
    }
  }
}

describeWebGPU('random rules', () => {
  it.each([
    ['without sums', false, smallShapes, 40, 41],
    ['with sums', true, smallShapes, 45, 42],
    ['with sums, of thousands of elements', true, largeShapes, 12, 43],
  ] as const)(
    '%s: as exact as WGSL promises, the same in every run',
    async (_, withSums, shapes, numRuns, seed) => {
      await fc.assert(fc.asyncProperty(settings(withSums, shapes), check), {
        numRuns,
        seed,
        endOnFailure: true,
      });
    },
  );

  afterAll(() => {
    if (process.env.COVERAGE_COUNTS) console.log(judged);
  });

  it('were mostly such that a wrong value would have shown', () => {
    expect(judged.sums).toBeGreaterThan(60);
    expect(judged.bounded / judged.results).toBeGreaterThan(0.5);
    expect(judged.tight / judged.results).toBeGreaterThan(0.4);
  });
});
