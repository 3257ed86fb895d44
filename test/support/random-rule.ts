/** Random update rules, layouts and data for fast-check. */
import fc from 'fast-check';
import {
  abs,
  add,
  constant,
  div,
  equal,
  less,
  lessEqual,
  maximum,
  minimum,
  ema,
  mul,
  neg,
  neuronSum,
  select,
  sign,
  sqrt,
  square,
  sub,
  tensorSum,
  type DeviceDomain,
  type Expression,
} from '../../src/compiler/expression.js';
import { makeRule as makeUncheckedRule, type Rule, type Values } from '../../src/compiler/rule.js';
import type { Shape } from './oracle.js';

const arithmetic = {
  add,
  sub,
  mul,
  div,
  minimum,
  maximum,
  ema,
  sqrt,
  abs,
  neg,
  sign,
  square,
} as const;
const arity = {
  add: 2,
  sub: 2,
  mul: 2,
  div: 2,
  minimum: 2,
  maximum: 2,
  ema: 3,
  sqrt: 1,
  abs: 1,
  neg: 1,
  sign: 1,
  square: 1,
} as const;
const comparisons = { less, lessEqual, equal } as const;

export const primitives = [
  ...Object.keys(arithmetic),
  ...Object.keys(comparisons),
  'select',
] as const;
export const reductions = ['neuronSum', 'tensorSum'] as const;

/** One more expression, made of those before it; `picks` say which. */
type Step = {
  readonly op: string;
  readonly compare: keyof typeof comparisons;
  readonly picks: readonly number[];
};

/** A rule in a form that fast-check can shrink. */
export type Recipe = {
  readonly slots: readonly DeviceDomain[];
  readonly steps: readonly Step[];
  readonly outputs: readonly number[];
  readonly initialSteps: readonly Step[];
  /** Which slots have an initial value, as bits. */
  readonly initial: number;
  readonly constants: readonly number[];
  readonly scalars: { readonly a: number; readonly b: number; readonly c: number };
  readonly count: number;
  /** True if a step-wide factor multiplies the gradient. */
  readonly scaled: boolean;
};

type Known = { readonly expression: Expression; readonly primitives: ReadonlySet<string> };

/** A rule, and the primitives that each of its expressions is made of, shared parts included. */
export type Made = {
  readonly rule: Rule;
  readonly primitivesOf: (expression: Expression) => ReadonlySet<string>;
  readonly slotNames: readonly string[];
};

const leaf = (expression: Expression): Known => ({ expression, primitives: new Set() });
const depth: Record<Expression['domain'], number> = { host: 0, tensor: 1, neuron: 2, element: 3 };

/** Half of the picks are of the last few, so that expressions grow deep and share parts. */
function pick(from: readonly Known[], choice: number): Known {
  return choice % 2 === 0
    ? from[from.length - 1 - ((choice >> 1) % Math.min(from.length, 5))]
    : from[(choice >> 1) % from.length];
}

function grow(leaves: readonly Known[], steps: readonly Step[]): Known[] {
  const known = [...leaves];
  for (const { op, compare, picks } of steps) {
    const reducible = known.filter(
      ({ expression: { domain } }) =>
        domain === 'element' || (op === 'tensorSum' && domain === 'neuron'),
    );
    const [x, y, z, t] = picks.map((choice) =>
      pick(op in comparisons || op in arithmetic || op === 'select' ? known : reducible, choice),
    );
    const made = (expression: Expression, ops: readonly string[], ...parts: Known[]): Known => ({
      expression,
      primitives: new Set([...ops, ...parts.flatMap((part) => [...part.primitives])]),
    });
    if (op === 'neuronSum' || op === 'tensorSum')
      known.push(made((op === 'neuronSum' ? neuronSum : tensorSum)(x.expression), [op], x));
    else if (op === 'select')
      known.push(
        made(
          select(comparisons[compare](x.expression, y.expression), z.expression, t.expression),
          [op, compare],
          x,
          y,
          z,
          t,
        ),
      );
    else {
      const used = [x, y, z].slice(0, arity[op as keyof typeof arity]);
      known.push(
        made(
          (arithmetic[op as keyof typeof arithmetic] as (...args: Expression[]) => Expression)(
            ...used.map(({ expression }) => expression),
          ),
          [op],
          ...used,
        ),
      );
    }
  }
  return known;
}

/**
 * The choice among expressions that may be the value of something of `domain`, the latest before
 * the others.
 */
function choose(known: readonly Known[], domain: DeviceDomain, choice: number): Known {
  const fitting = known.filter(({ expression }) => depth[expression.domain] <= depth[domain]);
  return fitting[fitting.length - 1 - (choice % Math.min(4, fitting.length))];
}

export function makeRule(recipe: Recipe): Made {
  const slotNames = recipe.slots.map((_, i) => `slot${i}`);
  const made = new Map<Expression, ReadonlySet<string>>();
  const note = ({ expression, primitives: used }: Known): Expression => {
    made.set(expression, used);
    return expression;
  };
  const leavesOf = (values: Values, s: Values): Known[] =>
    [...recipe.constants.map(constant), s.a, s.b, s.c, ...Object.values(values)].map(leaf);
  // Not defineRule: scalars may be NaN here.
  const rule = makeUncheckedRule({
    name: 'random',
    slots: Object.fromEntries(slotNames.map((name, i) => [name, recipe.slots[i]])),
    initial: (values, s) => {
      const known = grow(leavesOf(values, s), recipe.initialSteps);
      return Object.fromEntries(
        slotNames.flatMap((name, i) =>
          (recipe.initial >> i) & 1
            ? [[name, note(choose(known, recipe.slots[i], recipe.outputs[i]))]]
            : [],
        ),
      );
    },
    host: () => recipe.scalars,
    update: (values, s) => {
      const known = grow(leavesOf(values as unknown as Values, s), recipe.steps);
      const outputs: Record<string, Expression> = { w: note(known.at(-1)!) };
      // Some slots are left out: they keep their values.
      slotNames.forEach((name, i) => {
        if (recipe.outputs[i] % 5 !== 0)
          outputs[name] = note(choose(known, recipe.slots[i], recipe.outputs[i]));
      });
      return outputs;
    },
  });
  return { rule, slotNames, primitivesOf: (expression) => made.get(expression) ?? new Set() };
}

const choices = fc.nat(2 ** 20);
const steps = (ops: readonly string[], most: number, least = 0): fc.Arbitrary<Step[]> =>
  fc.array(
    fc.record({
      op: fc.constantFrom(...ops),
      compare: fc.constantFrom('less', 'lessEqual', 'equal'),
      picks: fc.tuple(choices, choices, choices, choices),
    }),
    {
      minLength: least,
      maxLength: most,
      size: 'max',
    },
  );
const hostNumber = fc.oneof(
  { weight: 4, arbitrary: fc.double({ min: -2, max: 2, noNaN: true }) },
  { weight: 1, arbitrary: fc.constantFrom(0, -0, 1, 1e-40, 1e39, 1 - 1e-9, 0.1, Infinity, NaN) },
);

/** Random rules; `withSums` if they may reduce. */
export const recipes = (withSums: boolean): fc.Arbitrary<Recipe> => {
  // Arithmetic that is rare in real rules is no rarer here; sums are more frequent, for one rule
  // shall have several.
  const ops = [
    ...Object.keys(arithmetic),
    'select',
    'select',
    ...(withSums ? [...reductions, ...reductions] : []),
  ];
  return fc.record({
    slots: fc.array(fc.constantFrom<DeviceDomain>('element', 'neuron', 'tensor'), { maxLength: 4 }),
    steps: steps(ops, 24, 2),
    outputs: fc.array(choices, { minLength: 4, maxLength: 4 }),
    initialSteps: steps(ops, 6),
    initial: fc.nat(15),
    constants: fc.tuple(hostNumber, hostNumber),
    scalars: fc.record({ a: hostNumber, b: hostNumber, c: hostNumber }),
    count: fc.constantFrom(0, 0, 1, 7),
    scaled: fc.boolean(),
  });
};

const shaped = (shape: number[], ...axes: number[]): Shape => ({ shape, axes });

/** Every kind of layout, small: last, first, a middle axis, pairs, rank 0 and 1, sizes 0 and 1. */
export const smallShapes: readonly Shape[] = [
  shaped([], 0),
  shaped([1], 0),
  shaped([7], 0),
  shaped([16], 0),
  shaped([0], 0),
  shaped([3, 5], 1),
  shaped([3, 5], 0),
  shaped([4, 8], 1),
  shaped([1, 9], 1),
  shaped([9, 1], 1),
  shaped([1, 9], 0),
  shaped([9, 1], 0),
  shaped([5, 0], 0),
  shaped([5, 0], 1),
  shaped([0, 5], 0),
  shaped([0, 5], 1),
  shaped([2, 3, 4, 5], 2),
  shaped([2, 3, 4, 5], 3),
  shaped([3, 2, 5], 0),
  shaped([3, 2, 5], 1),
  shaped([2, 0, 3, 2], 2),
  shaped([2, 3, 0, 2], 2),
  shaped([3, 2, 4, 3], 2, 3),
  shaped([3, 2, 4, 3], 0, 1),
  shaped([3, 5, 2, 3], 0, 2),
  shaped([3, 5, 2, 3], 3, 0),
  shaped([3, 2, 5, 3], 1, 3),
  shaped([2, 3, 5], 0, 2),
  shaped([0, 2, 3, 2], 0, 2),
  shaped([2, 3, 0, 3], 1, 3),
];

/**
 * Sizes beyond the kernels' blocks: 4096 elements and 64 rows of one float32 sum, 8192 elements of
 * neurons at a time.
 */
export const largeShapes: readonly Shape[] = [
  shaped([4095], 0),
  shaped([8193], 0),
  shaped([3, 4099], 0),
  shaped([2, 8195], 0),
  shaped([8195, 2], 0),
  shaped([5000, 3], 0),
  shaped([129, 65], 0),
  shaped([4099, 3], 1),
  shaped([3, 4099], 1),
  shaped([64, 33], 1),
  shaped([65, 33], 1),
  shaped([131, 17], 1),
  shaped([193, 1], 1),
  shaped([3, 3, 17, 31], 2),
  shaped([2, 3, 5, 4097], 2),
  shaped([9, 9, 12, 5], 2, 3),
  shaped([67, 3, 2, 5], 1, 3),
  shaped([5, 131, 3, 2], 0, 2),
  shaped([70, 2, 66], 0, 2),
];

/** Nodes below an expression, itself included. */
export function nodesOf(...expressions: readonly Expression[]): Set<Expression> {
  const seen = new Set<Expression>();
  const visit = (expression: Expression): void => {
    if (seen.has(expression)) return;
    seen.add(expression);
    expression.args.forEach(visit);
  };
  expressions.forEach(visit);
  return seen;
}
