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

type Step = { readonly operation: (x: number, y: number, z: number) => number; readonly args: readonly number[] };

/** Makes a function that evaluates all the expressions at once, each shared part once; it writes to `into` from `offset` on. */
export function compileHost(expressions: readonly Expression[]): (values: Readonly<Record<string, number>>, into: Float32Array, offset: number) => void {
  const constants: { at: number; value: number }[] = [];
  const scalars: { at: number; name: string }[] = [];
  const steps: { at: number; step: Step }[] = [];
  const places = new Map<Expression, number>();
  const placeOf = (expression: Expression): number => {
    const known = places.get(expression);
    if (known !== undefined) return known;
    const args = expression.args.map(placeOf);
    const at = places.size;
    places.set(expression, at);
    if (expression.op === 'constant') constants.push({ at, value: expression.value! });
    else if (expression.op === 'scalar') scalars.push({ at, name: expression.name! });
    else steps.push({ at, step: { operation: operations[expression.op]!, args } });
    return at;
  };
  const outputs = expressions.map(placeOf);
  const memory = new Float64Array(places.size);
  for (const { at, value } of constants) memory[at] = value;
  return (values, into, offset) => {
    for (const { at, name } of scalars) {
      const value = values[name];
      if (typeof value !== 'number') throw new Error(`the host gives no number called '${name}'`);
      memory[at] = value;
    }
    for (const { at, step: { operation, args } } of steps) memory[at] = operation(memory[args[0]], memory[args[1]], memory[args[2]]);
    for (let i = 0; i < outputs.length; i++) into[offset + i] = memory[outputs[i]];
  };
}
