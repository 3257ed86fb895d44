/**
 * The structure of plans: what is merged, what the host computes, how many sweeps there are, and
 * what is written when.
 */
import { describe, expect, it } from 'vitest';
import {
  abs,
  add,
  constant,
  div,
  less,
  ema,
  mul,
  neg,
  neuronSum,
  scalar,
  select,
  sqrt,
  square,
  sub,
  tensorSum,
  type DeviceDomain,
  type Expression,
} from '../../src/compiler/expression.js';
import { layoutOf } from '../../src/compiler/layout.js';
import type { Plan, Stage } from '../../src/compiler/plan.js';
import { planPrepare, planStepWide, planUpdate } from '../../src/compiler/program.js';
import { defineRule } from '../../src/compiler/define-rule.js';
import type { NewValues, Values } from '../../src/compiler/rule.js';
import { adamW } from '../../src/rules/adamw.js';
import { giAdam } from '../../src/rules/gi-adam.js';
import { lion } from '../../src/rules/lion.js';
import { sgdMomentum } from '../../src/rules/sgd-momentum.js';
import { compare } from '../support/differential.js';
import { useBackend } from '../support/backends.js';
import { bell } from '../support/numbers.js';

const rule = (
  slots: Record<string, DeviceDomain>,
  update: (values: Values & { w: Expression; g: Expression }, s: Values) => NewValues,
) => defineRule<string>({ name: 'test', slots, update: update as never });
const planOf = (slots: Record<string, DeviceDomain>, update: Parameters<typeof rule>[1]): Plan =>
  planUpdate(rule(slots, update), false);
const stagesOf = (plan: Plan): string[] => plan.stages.map(({ domain }) => domain);
const count = (plan: Plan, op: string): number =>
  plan.stages.reduce(
    (total, { instructions }) =>
      total + instructions.filter((instruction) => instruction.op === op).length,
    0,
  );
const storedIn = ({ stores }: Stage): string[] =>
  stores.filter(({ buffer }) => buffer.role !== 'scratch').map(({ buffer }) => buffer.name);
const scratchOf = (plan: Plan): number =>
  plan.buffers.filter(({ role }) => role === 'scratch').length;
const scalarsOf = (plan: Plan, values: Record<string, number>): number[] => {
  const scalars = new Float32Array(plan.scalars.length);
  plan.writeScalars(values, scalars, 0);
  return [...scalars];
};

describe('common subexpressions', () => {
  it('equal ones are computed once, whoever built them', () => {
    const plan = planOf({ m: 'element' }, ({ w, g }) => ({
      w: add(mul(w, g), sqrt(mul(w, g))),
      m: sub(mul(w, g), 1),
    }));
    expect(count(plan, 'mul')).toBe(1);
    expect(count(plan, 'load')).toBe(2);
    expect(plan.stages[0].instructions).toHaveLength(7);
  });
  it('operands are not exchanged: w - g is not g - w, and not even w + g is g + w', () => {
    const plan = planOf({}, ({ w, g }) => ({
      w: mul(mul(sub(w, g), sub(g, w)), mul(add(w, g), add(g, w))),
    }));
    expect([count(plan, 'sub'), count(plan, 'add')]).toEqual([2, 2]);
  });
  it('equal sums are one sum, equal host expressions one scalar', () => {
    const plan = planOf({ t: 'tensor' }, ({ w, g }, s) => ({
      w: mul(mul(w, tensorSum(square(g))), sub(1, s.beta)),
      t: mul(tensorSum(square(g)), sub(1, s.beta)),
    }));
    expect(plan.stages.flatMap(({ sums }) => sums)).toHaveLength(1);
    expect(plan.scalars).toHaveLength(1);
  });
  it('0 and -0 are two constants', () => {
    const plan = planOf({}, ({ w }) => ({ w: select(less(w, 0), constant(-0), constant(0)) }));
    expect(count(plan, 'constant')).toBe(2);
  });
});

describe('host expressions', () => {
  it('become one scalar, computed in double and rounded once', () => {
    const plan = planOf({}, ({ w, g }, s) => ({ w: sub(w, mul(sub(1, s.beta1), g)) }));
    expect(plan.scalars).toHaveLength(1);
    // 1 - fround(0.9999999) would be 1.1920929e-7.
    expect(scalarsOf(plan, { beta1: 0.9999999 })).toEqual([Math.fround(1 - 0.9999999)]);
  });
  it('the weights of ema are taken from one double', () => {
    const plan = planOf({ m: 'element' }, ({ g, m }, s) => ({ m: ema(m, g, s.beta) }));
    expect(scalarsOf(plan, { beta: 0.999 })).toEqual([Math.fround(0.999), Math.fround(1 - 0.999)]);
  });
  it('a division by a host value is a product with its reciprocal in double', () => {
    const plan = planOf({}, ({ w }, s) => ({ w: div(w, mul(s.a, 3)) }));
    expect([count(plan, 'div'), count(plan, 'mul')]).toEqual([0, 1]);
    expect(scalarsOf(plan, { a: 1 })).toEqual([Math.fround(1 / 3)]);
  });
  it('without scalars they are constants', () => {
    const plan = planOf({}, ({ w }) => ({ w: mul(w, div(constant(1), 3)) }));
    expect(plan.scalars).toHaveLength(0);
    expect(plan.stages[0].instructions).toContainEqual({ op: 'constant', value: 1 / 3 });
  });
  it('a condition of the host arrives as 0 or 1, decided in double', () => {
    const plan = planOf({}, ({ w, g }, s) => ({ w: select(less(s.a, 1), w, g) }));
    expect(scalarsOf(plan, { a: 1 - 1e-12 })).toEqual([1]);
    expect(scalarsOf(plan, { a: 1 })).toEqual([0]);
  });
  it('a name that the host does not give is an error', () => {
    const plan = planOf({}, ({ w }, s) => ({ w: mul(w, s.speed) }));
    expect(() => scalarsOf(plan, { learningRate: 1 })).toThrow(
      "the host gives no number called 'speed'",
    );
  });
});

describe('sweeps', () => {
  it.each([adamW(), giAdam(), lion, sgdMomentum(false), sgdMomentum(true)])(
    '$name is one element stage',
    (made) => {
      for (const scaled of [false, true]) {
        const plan = planUpdate(made, scaled);
        expect(stagesOf(plan)).toEqual(['element']);
        expect(plan.stages[0].stores.map(({ buffer }) => buffer.name).sort()).toEqual(
          [...Object.keys(made.slots), 'w'].sort(),
        );
        expect(scratchOf(plan)).toBe(0);
      }
    },
  );
  it('AdamW has the operations of its formula and no more', () => {
    const plan = planUpdate(adamW(), false);
    expect([
      count(plan, 'mul'),
      count(plan, 'add'),
      count(plan, 'sub'),
      count(plan, 'div'),
      count(plan, 'sqrt'),
      count(plan, 'load'),
    ]).toEqual([7, 4, 1, 1, 1, 4]);
  });
  it('a neuron sum that w needs costs a second element sweep', () => {
    const plan = planOf({}, ({ w, g }) => ({ w: sub(w, mul(g, neuronSum(mul(w, g)))) }));
    expect(stagesOf(plan)).toEqual(['element', 'element']);
    expect(plan.stages[0]).toMatchObject({ stores: [], sums: [{ buffer: { domain: 'neuron' } }] });
    expect(storedIn(plan.stages[1])).toEqual(['w']);
  });
  it('what is computed from a neuron sum for each neuron is computed once a neuron', () => {
    const plan = planOf({}, ({ w }) => ({ w: div(w, sqrt(neuronSum(square(w)))) }));
    expect(stagesOf(plan)).toEqual(['element', 'neuron', 'element']);
    expect(plan.stages[1].instructions.map(({ op }) => op)).toEqual(['load', 'sqrt']);
  });
  it('a sum that only a slot needs adds no sweep', () => {
    const plan = planOf({ n: 'neuron', t: 'tensor' }, ({ w, g }) => ({
      w: sub(w, g),
      n: neuronSum(square(g)),
      t: tensorSum(mul(w, g)),
    }));
    expect(stagesOf(plan)).toEqual(['element', 'neuron', 'tensor']);
    expect(plan.stages[0].sums).toHaveLength(2);
  });
  it('a sum over the new weight that only a slot needs adds no sweep to a rule of two', () => {
    const plan = planOf({ n: 'neuron' }, ({ w, g }) => {
      const next = sub(w, mul(g, neuronSum(square(g))));
      return { w: next, n: neuronSum(square(next)) };
    });
    expect(stagesOf(plan)).toEqual(['element', 'element', 'neuron']);
    expect(plan.stages[1]).toMatchObject({ stores: [{ buffer: { name: 'w' } }], sums: [{}] });
    expect(scratchOf(plan)).toBe(0);
  });
  it('one sweep for each depth of sums', () => {
    const plan = planOf({}, ({ w }) => {
      const centred = sub(w, neuronSum(w));
      return { w: mul(centred, tensorSum(square(centred))) };
    });
    expect(stagesOf(plan)).toEqual(['element', 'element', 'element']);
    // The centred weight is computed in the second sweep and kept for the third.
    expect(count(plan, 'sub')).toBe(1);
    expect(scratchOf(plan)).toBe(1);
  });
  it('the sum over neurons of neuron sums needs no sweep over elements', () => {
    const plan = planOf({ t: 'tensor' }, ({ w }) => ({ t: tensorSum(sqrt(neuronSum(square(w)))) }));
    expect(stagesOf(plan)).toEqual(['element', 'neuron', 'tensor']);
  });
  it('conditions are computed where they are used: no memory holds one', () => {
    const plan = planOf({ n: 'neuron' }, ({ w, g, n }) => {
      const quiet = less(neuronSum(square(g)), n);
      return { w: select(quiet, w, sub(w, g)), n: select(quiet, n, 1) };
    });
    expect(
      plan.buffers.every(({ role, domain }) => role !== 'scratch' || domain !== 'tensor'),
    ).toBe(true);
    expect(
      plan.stages.filter(({ instructions }) => instructions.some(({ op }) => op === 'less')),
    ).toHaveLength(2);
  });
  it('a step-wide plan is one sweep and a value', () => {
    const plan = planStepWide('norm', sqrt(tensorSum(square(scalarGradient()))));
    expect(stagesOf(plan)).toEqual(['element', 'tensor']);
    expect(plan.stages[1].stores.map(({ buffer }) => buffer.role)).toEqual(['stepWide']);
  });
  it('prepare reads and writes the weight alone', () => {
    const plan = planPrepare(
      defineRule({
        name: 'r',
        prepare: ({ w }) => ({ w: sub(w, neuronSum(w)) }),
        update: () => ({}),
      }),
    )!;
    expect(new Set(plan.buffers.map(({ role }) => role))).toEqual(new Set(['variable', 'sum']));
    expect(planPrepare(lion)).toBeUndefined();
  });
});

const scalarGradient = (): Expression => ({
  op: 'input',
  domain: 'element',
  type: 'number',
  args: [],
  name: 'g',
});

describe('order of reads and writes', () => {
  /** Runs the rule on every kind of layout and compares it with its definition and with ops. */
  async function check(
    slots: Record<string, DeviceDomain>,
    update: Parameters<typeof rule>[1],
  ): Promise<void> {
    await useBackend('wasm');
    for (const [shape, axes] of [
      [[5, 7], [1]],
      [[5, 7], [0]],
      [
        [3, 2, 4, 3],
        [0, 2],
      ],
      [[9000, 3], [0]],
    ] as const) {
      const { size, neurons } = layoutOf('test', shape, axes);
      const sizes = { element: size, neuron: neurons, tensor: 1 };
      const inputs = {
        w: bell(size, 1),
        g: bell(size, 2),
        ...Object.fromEntries(
          Object.entries(slots).map(([name, domain], i) => [name, bell(sizes[domain], 3 + i)]),
        ),
      };
      expect(
        compare({
          rule: rule(slots, update),
          shape: { shape, axes },
          inputs,
          hyperparameters: {},
          count: 1,
          scaled: false,
        }).defined,
      ).toBe(true);
    }
  }

  it('two slots are exchanged', async () => {
    await check({ a: 'element', b: 'element' }, ({ a, b }) => ({ a: b, b: a }));
    await check({ a: 'neuron', b: 'neuron' }, ({ a, b }) => ({ a: b, b: a }));
    await check({ a: 'tensor', b: 'tensor' }, ({ a, b }) => ({ a: b, b: a }));
    await check({ a: 'element', b: 'element', c: 'element' }, ({ w, g, a, b, c }) => ({
      w: c,
      a: w,
      b: a,
      c: add(b, g),
    }));
  });
  it('a slot that is read in a later sweep is not overwritten before', async () => {
    const update: Parameters<typeof rule>[1] = ({ w, g, m }) => ({
      w: add(mul(m, tensorSum(g)), w),
      m: g,
    });
    const plan = planOf({ m: 'element' }, update);
    expect(stagesOf(plan)).toEqual(['element', 'element']);
    expect(storedIn(plan.stages[0])).toEqual([]);
    expect(new Set(storedIn(plan.stages[1]))).toEqual(new Set(['w', 'm']));
    await check({ m: 'element' }, update);
  });
  it('nor is a neuron slot, or a tensor slot, or the weight', async () => {
    await check({ n: 'neuron', t: 'tensor' }, ({ w, g, n, t }) => ({
      w: mul(add(w, t), mul(neuronSum(g), n)),
      n: neg(n),
      t: abs(t),
    }));
    await check({ m: 'element', t: 'tensor' }, ({ w, g, m }) => ({
      w: g,
      m: mul(w, tensorSum(mul(m, w))),
      t: tensorSum(mul(g, tensorSum(w))),
    }));
  });
  it('a store that moves to a later sweep takes along what it reads', async () => {
    // m waits for the second sweep because w reads it there; n must then wait for m.
    await check({ m: 'element', n: 'element' }, ({ w, g, m, n }) => ({
      w: mul(m, tensorSum(g)),
      m: n,
      n: add(w, 1),
    }));
    await check(
      { a: 'element', b: 'element', n: 'neuron', t: 'tensor' },
      ({ w, g, a, b, n, t }) => ({
        w: mul(a, tensorSum(mul(g, neuronSum(g)))),
        a: add(b, n),
        b: mul(w, t),
        n: mul(n, t),
        t: add(t, 1),
      }),
    );
  });
  it('a slot without a new value keeps its own', async () => {
    await check({ a: 'element', b: 'element' }, ({ w, a }) => ({ w: add(w, a) }));
  });
  it('constants and host values fill slots of every kind', async () => {
    await check({ a: 'element', n: 'neuron', t: 'tensor' }, () => ({ w: 0.5, a: 1, n: 2, t: -0 }));
    await check({ a: 'element', n: 'neuron', t: 'tensor' }, ({ n, t }, s) => ({
      a: n,
      n: t,
      t: add(s.learningRate, 1),
    }));
  });
});

describe('errors', () => {
  it('an input that nobody knows', () => {
    const stray: Expression = {
      op: 'input',
      domain: 'element',
      type: 'number',
      args: [],
      name: 'velocity',
    };
    expect(() => planOf({ m: 'element' }, ({ w }) => ({ w: add(w, stray) }))).toThrow(
      "rule test: there is no input called 'velocity', known are w, g, gradientScale, m",
    );
  });
  it.each<[string, Record<string, DeviceDomain>, Parameters<typeof rule>[1], string]>([
    [
      'an element value for a neuron slot',
      { n: 'neuron' },
      ({ g }) => ({ n: square(g) }),
      'rule test: n has one value per neuron, got an expression that varies over element',
    ],
    [
      'an element value for a tensor slot',
      { t: 'tensor' },
      ({ w }) => ({ t: w }),
      'rule test: t has one value per tensor, got an expression that varies over element',
    ],
    [
      'a neuron value for a tensor slot',
      { t: 'tensor' },
      ({ w }) => ({ t: neuronSum(w) }),
      'rule test: t has one value per tensor, got an expression that varies over neuron',
    ],
    [
      'a slot that the rule has not',
      {},
      ({ w }) => ({ v: w }),
      "rule test: update must give w and slots only, got 'v'",
    ],
    [
      'a new gradient',
      {},
      ({ g }) => ({ g }),
      "rule test: update must give w and slots only, got 'g'",
    ],
  ])('%s', (_, slots, update, message) => {
    expect(() => planOf(slots, update)).toThrow(message);
  });
  it('an initial weight', () => {
    const made = defineRule({ name: 'test', initial: ({ w }) => ({ w }), update: () => ({}) });
    expect(() => planUpdate(made, false)).toThrow(
      "rule test: initial must give slots only, got 'w'",
    );
  });
  it('a weight that is a condition', () => {
    expect(() => planOf({}, ({ w }) => ({ w: less(w, 0) }))).toThrow(
      'rule test: w must become a number expression, got boolean',
    );
  });
  it('a new value that is missing', () => {
    expect(() =>
      planOf({ m: 'element' }, ({ w, m }) => ({
        w,
        m: (m as unknown as Record<string, Expression>).next,
      })),
    ).toThrow('rule test: m must become a number expression, got undefined');
  });
});

describe('host graphs that share parts', () => {
  it('are planned and evaluated in time that grows with their parts, not with their paths', () => {
    let value = scalar('a');
    for (let i = 0; i < 60; i++) value = mul(add(value, value), 0.5);
    const plan = planOf({}, ({ w }) => ({ w: mul(w, value) }));
    expect(scalarsOf(plan, { a: 3 })).toEqual([3]);
    let fixed: Expression = constant(3);
    for (let i = 0; i < 60; i++) fixed = mul(add(fixed, fixed), 0.5);
    expect(planOf({}, ({ w }) => ({ w: mul(w, fixed) })).stages[0].instructions).toContainEqual({
      op: 'constant',
      value: 3,
    });
  }, 5000);
});
