/**
 * How far float32 results may be from exact ones: values of expressions in double, each with a
 * bound of its error.
 */
import type { DeviceDomain, Expression } from '../../src/compiler/expression.js';
import { getOrMake } from '../../src/get-or-make.js';
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

/** True or false where the errors cannot change it, else undefined. */
const decided = (isTrue: boolean, isFalse: boolean): boolean | undefined => {
  if (isTrue) return true;
  return isFalse ? false : undefined;
};

const conditions: Record<string, (x: Pair, y: Pair) => boolean | undefined> = {
  less: ([x, dx], [y, dy]) => decided(x + dx < y - dy, x - dx >= y + dy),
  lessEqual: ([x, dx], [y, dy]) => decided(x + dx <= y - dy, x - dx > y + dy),
  equal: ([x, dx], [y, dy]) => {
    const different = Math.abs(x - y) > dx + dy;
    return decided(!different && dx + dy === 0, different);
  },
};

const at = ({ values, errors }: Bounded, i: number): Pair => [values[i], errors[i]];

function tabulate(length: number, pair: (i: number) => Pair): Bounded {
  const [values, errors] = [new Float64Array(length), new Float64Array(length)];
  for (let i = 0; i < length; i++) [values[i], errors[i]] = pair(i);
  return { values, errors };
}

/** Bounds the expressions of a rule on inputs; `host` computes the expressions of the host. */
export class Bounds {
  readonly #inputs: Inputs;
  readonly #host: (expression: Expression) => number;
  readonly #neuronOf: Int32Array;
  /** Values of each domain. */
  readonly #count: Record<DeviceDomain, number>;
  readonly #known = new Map<Expression, Bounded>();

  constructor(shape: Shape, inputs: Inputs, host: (expression: Expression) => number) {
    this.#inputs = inputs;
    this.#host = host;
    this.#neuronOf = neuronOfElement(shape);
    this.#count = {
      element: this.#neuronOf.length,
      neuron: shape.axes.reduce((product, axis) => product * (shape.shape[axis] ?? 1), 1),
      tensor: 1,
    };
  }

  /** The values of an expression on a domain that it may be broadcast to. */
  on(expression: Expression, domain: DeviceDomain): Bounded {
    const count = this.#count[domain];
    if (expression.domain === 'host') {
      const value = Math.fround(this.#host(expression));
      const small = value !== 0 && Math.abs(value) < smallestNormal;
      const pair: Pair = [value, small ? smallestNormal : 0];
      return tabulate(count, () => (Number.isFinite(value) ? pair : anything));
    }
    const own = this.#bounded(expression);
    if (expression.domain === domain) return own;
    return tabulate(count, (i) => at(own, expression.domain === 'tensor' ? 0 : this.#neuronOf[i]));
  }

  #bounded(expression: Expression): Bounded {
    return getOrMake(this.#known, expression, () => this.#compute(expression));
  }

  #compute({ op, args, domain: own, name }: Expression): Bounded {
    const domain = own as DeviceDomain;
    const count = this.#count[domain];
    if (op === 'input') return tabulate(count, (i) => [this.#inputs[name!][i], 0]);
    if (op === 'neuronSum' || op === 'tensorSum')
      return this.#sum(this.#bounded(args[0]), domain as 'neuron' | 'tensor');
    if (op === 'select') return this.#select(args, domain);
    const [x, y = x] = args.map((arg) => this.on(arg, domain));
    return tabulate(count, (i) => operations[op](at(x, i), at(y, i)));
  }

  #sum(terms: Bounded, domain: 'neuron' | 'tensor'): Bounded {
    const count = this.#count[domain];
    const [sums, sizes, errors] = [0, 1, 2].map(() => new Float64Array(count));
    terms.values.forEach((value, i) => {
      const target = domain === 'tensor' ? 0 : this.#neuronOf[i];
      sums[target] += value;
      sizes[target] += Math.abs(value) + terms.errors[i];
      errors[target] += terms.errors[i];
    });
    return tabulate(count, (i) =>
      sizes[i] > largest ? anything : rounded(sums[i], errors[i] + additions * unit * sizes[i]),
    );
  }

  #select([condition, x, y]: readonly Expression[], domain: DeviceDomain): Bounded {
    const [first, second] = [this.on(x, domain), this.on(y, domain)];
    const decide = this.#condition(condition, domain);
    return tabulate(this.#count[domain], (i) => {
      const [chosen, a, b] = [decide(i), at(first, i), at(second, i)];
      if (chosen !== undefined) return chosen ? a : b;
      return [a[0], Math.max(a[1], Math.abs(a[0] - b[0]) + b[1])];
    });
  }

  #condition(condition: Expression, domain: DeviceDomain): (i: number) => boolean | undefined {
    if (condition.domain === 'host') {
      const holds = this.#host(condition) !== 0;
      return () => holds;
    }
    const [x, y] = condition.args.map((arg) => this.on(arg, domain));
    return (i) => conditions[condition.op](at(x, i), at(y, i));
  }
}
