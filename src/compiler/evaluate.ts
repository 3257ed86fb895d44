/** Evaluates host expressions in double precision. */
import type { Expression } from './expression.js';

const operations: Partial<Record<Expression['op'], (x: number, y: number, z: number) => number>> = {
  add: (x, y) => x + y,
  sub: (x, y) => x - y,
  mul: (x, y) => x * y,
  div: (x, y) => x / y,
  sqrt: Math.sqrt,
  abs: Math.abs,
  neg: (x) => -x,
  less: (x, y) => +(x < y),
  lessEqual: (x, y) => +(x <= y),
  equal: (x, y) => +(x === y),
  select: (condition, x, y) => (condition ? x : y),
};

/**
 * The value of an expression without reductions; `values` holds its scalars and inputs by name; a condition is 0 or 1.
 * `known` has the values that were computed before with the same `values`: parts that are shared are computed once.
 */
export function evaluate(expression: Expression, values: Readonly<Record<string, number>>, known = new Map<Expression, number>()): number {
  const { op, args, name } = expression;
  if (op === 'constant') return expression.value!;
  if (op === 'scalar' || op === 'input') {
    const value = values[name!];
    if (typeof value !== 'number') throw new Error(`the host gives no number called '${name}'`);
    return value;
  }
  let value = known.get(expression);
  if (value === undefined) {
    const [x, y = 0, z = 0] = args.map((arg) => evaluate(arg, values, known));
    value = operations[op]!(x, y, z);
    known.set(expression, value);
  }
  return value;
}
