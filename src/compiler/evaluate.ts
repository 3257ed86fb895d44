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

/** The value of an expression without reductions; `values` holds its scalars and inputs by name; a condition is 0 or 1. */
export function evaluate(expression: Expression, values: Readonly<Record<string, number>>): number {
  if (expression.op === 'constant') return expression.value!;
  if (expression.op === 'scalar' || expression.op === 'input') {
    const value = values[expression.name!];
    if (typeof value !== 'number') throw new Error(`the host gives no number called '${expression.name}'`);
    return value;
  }
  const [x, y, z] = expression.args;
  return operations[expression.op]!(evaluate(x, values), y ? evaluate(y, values) : 0, z ? evaluate(z, values) : 0);
}
