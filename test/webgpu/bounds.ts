/**
 * How far float32 results may be from exact ones: values of expressions in double, each with a
 * bound of its error.
 */
import type { Expression } from '../../src/compiler/expression.js';
import type { Inputs } from '../support/kernel.js';
import { neuronOfElement, type Shape } from '../support/oracle.js';

/**
 * Exact values, and how far a device that rounds as WGSL allows may be from them; Infinity where
 * anything goes.
 */
export type Bounded = { readonly values: Float64Array; readonly errors: Float64Array };

/** Twice the relative error of a rounded operation: the device may also round toward zero. */
const unit = 2 ** -23;
const smallestNormal = 2 ** -126;
const largest = 3.4e38;
/**
 * float32 additions that one term of a sum goes through, at most: in the largest of these tests, on
 * any executor.
 */
const additions = 200;

type Domain = Expression['domain'];
type Pair = readonly [value: number, error: number];

const anything: Pair = [0, Infinity];

/**
 * A result whose operands are off by what makes `error`, after one rounding by `units`; results too
 * small for normal numbers may be 0.
 */
function rounded(value: number, error: number, units = 1): Pair {
  if (!Number.isFinite(value) || !Number.isFinite(error)) return anything;
  const most = Math.abs(value) + error;
  if (most > largest) return anything;
  return [
    value,
    most === 0
      ? 0
      : error + units * unit * most + (most < 2 * smallestNormal ? smallestNormal : 2 ** -149),
  ];
}

const operations: Record<string, (x: Pair, y: Pair) => Pair> = {
  add: ([x, dx], [y, dy]) => rounded(x + y, dx + dy),
  sub: ([x, dx], [y, dy]) => rounded(x - y, dx + dy),
  mul: ([x, dx], [y, dy]) => rounded(x * y, Math.abs(x) * dy + Math.abs(y) * dx + dx * dy),
  // WGSL: 2.5 units for divisors within these limits.
  div: ([x, dx], [y, dy]) => {
    const [least, most] = [Math.abs(y) - dy, Math.abs(y) + dy];
    if (!(least > smallestNormal && most < 2 ** 126)) return anything;
    return rounded(x / y, (dx + Math.abs(x / y) * dy) / least, 2.5);
  },
  // WGSL: as accurate as 1 / inverseSqrt(x), 2 units and 2.5 more.
  sqrt: ([x, dx]) =>
    x - dx < 0 ? anything : rounded(Math.sqrt(x), Math.sqrt(x + dx) - Math.sqrt(x - dx), 4.5),
  abs: ([x, dx]) => [Math.abs(x), dx],
  neg: ([x, dx]) => [-x, dx],
};

/** True, false, or undefined where the errors decide. */
const conditions: Record<string, (x: Pair, y: Pair) => boolean | undefined> = {
  less: ([x, dx], [y, dy]) => (x + dx < y - dy ? true : x - dx >= y + dy ? false : undefined),
  lessEqual: ([x, dx], [y, dy]) => (x + dx <= y - dy ? true : x - dx > y + dy ? false : undefined),
  equal: ([x, dx], [y, dy]) =>
    Math.abs(x - y) > dx + dy ? false : dx + dy === 0 ? true : undefined,
};

/**
 * Makes a function that bounds expressions on a domain; `host` computes the expressions of the
 * host.
 */
export function makeBounds(
  shape: Shape,
  inputs: Inputs,
  host: (expression: Expression) => number,
): (expression: Expression, domain: Exclude<Domain, 'host'>) => Bounded {
  const neuronOf = neuronOfElement(shape);
  const count = {
    element: neuronOf.length,
    neuron: shape.axes.reduce((product, axis) => product * (shape.shape[axis] ?? 1), 1),
    tensor: 1,
  };
  const made = (length: number, pair: (i: number) => Pair): Bounded => {
    const [values, errors] = [new Float64Array(length), new Float64Array(length)];
    for (let i = 0; i < length; i++) [values[i], errors[i]] = pair(i);
    return { values, errors };
  };
  const at = ({ values, errors }: Bounded, i: number): Pair => [values[i], errors[i]];
  const known = new Map<Expression, Bounded>();

  const sumOf = (terms: Bounded, domain: 'neuron' | 'tensor'): Bounded => {
    const [sums, sizes, errors] = [0, 1, 2].map(() => new Float64Array(count[domain]));
    terms.values.forEach((value, i) => {
      const target = domain === 'tensor' ? 0 : neuronOf[i];
      sums[target] += value;
      sizes[target] += Math.abs(value) + terms.errors[i];
      errors[target] += terms.errors[i];
    });
    return made(count[domain], (i) =>
      sizes[i] > largest ? anything : rounded(sums[i], errors[i] + additions * unit * sizes[i]),
    );
  };

  const on = (expression: Expression, domain: Exclude<Domain, 'host'>): Bounded => {
    if (expression.domain === 'host') {
      const value = Math.fround(host(expression));
      const small = value !== 0 && Math.abs(value) < smallestNormal;
      return made(count[domain], () =>
        Number.isFinite(value) ? [value, small ? smallestNormal : 0] : anything,
      );
    }
    const own = bounded(expression);
    if (expression.domain === domain) return own;
    return made(count[domain], (i) => at(own, expression.domain === 'tensor' ? 0 : neuronOf[i]));
  };

  const bounded = (expression: Expression): Bounded => {
    const before = known.get(expression);
    if (before) return before;
    const { op, args, domain: own, name } = expression;
    const domain = own as Exclude<Domain, 'host'>;
    const compute = (): Bounded => {
      if (op === 'input') return made(count[domain], (i) => [inputs[name!][i], 0]);
      if (op === 'neuronSum' || op === 'tensorSum')
        return sumOf(bounded(args[0]), domain as 'neuron' | 'tensor');
      if (op === 'select') {
        const [condition, x, y] = args;
        const [x1, y1] = [on(x, domain), on(y, domain)];
        const decide = conditionOn(condition, domain);
        return made(count[domain], (i) => {
          const [first, second, chosen] = [at(x1, i), at(y1, i), decide(i)];
          if (chosen !== undefined) return chosen ? first : second;
          return [first[0], Math.max(first[1], Math.abs(first[0] - second[0]) + second[1])];
        });
      }
      const operands = args.map((arg) => on(arg, domain));
      return made(count[domain], (i) =>
        operations[op](at(operands[0], i), at(operands[1] ?? operands[0], i)),
      );
    };
    const result = compute();
    known.set(expression, result);
    return result;
  };

  const conditionOn = (
    condition: Expression,
    domain: Exclude<Domain, 'host'>,
  ): ((i: number) => boolean | undefined) => {
    if (condition.domain === 'host') {
      const holds = host(condition) !== 0;
      return () => holds;
    }
    const [x, y] = condition.args.map((arg) => on(arg, domain));
    return (i) => conditions[condition.op](at(x, i), at(y, i));
  };

  return on;
}
