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

/** Values of scalars by name. */
type Values = Readonly<Record<string, number>>;

/**
 * Makes a function that evaluates all the expressions at once, each shared part once; it writes to
 * `into` from `offset` on, and returns it. A condition is 0 or 1.
 */
export function compileHost(expressions: readonly Expression[]) {
  const memory: number[] = [];
  const steps: ((values: Values) => void)[] = [];
  const places = new Map<Expression, number>();
  const placeOf = (expression: Expression): number => {
    const known = places.get(expression);
    if (known !== undefined) return known;
    const { op, args, name, value = NaN } = expression;
    const [x, y, z] = args.map(placeOf);
    const operation = operations[op];
    const at = memory.push(value) - 1;
    places.set(expression, at);
    if (operation) steps.push(() => void (memory[at] = operation(memory[x], memory[y], memory[z])));
    else if (name !== undefined) {
      steps.push((values) => {
        memory[at] = values[name];
        if (typeof memory[at] !== 'number')
          throw new Error(`the host gives no number called '${name}'`);
      });
    }
    return at;
  };
  const outputs = expressions.map(placeOf);
  return <Into extends Float32Array | Float64Array>(
    values: Values,
    into: Into,
    offset = 0,
  ): Into => {
    for (const step of steps) step(values);
    outputs.forEach((at, i) => (into[offset + i] = memory[at]));
    return into;
  };
}
