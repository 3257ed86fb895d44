import { compileHost } from '../../src/compiler/evaluate.js';
import type { Expression } from '../../src/compiler/expression.js';

/** The value of one host expression, in double precision. */
export const evaluate = (
  expression: Expression,
  values: Readonly<Record<string, number>>,
): number => compileHost([expression])(values, new Float64Array(1))[0];
