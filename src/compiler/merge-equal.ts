/** Common subexpressions, and constants that can be computed before any step. */
import { getOrMake } from '../get-or-make.js';
import { compileHost } from './evaluate.js';
import { constant, type Expression } from './expression.js';
import { isCondition, isHost } from './stage-order.js';

/** A constant in place of what the host computes from constants alone. */
function foldConstants(expression: Expression): Expression {
  const { args } = expression;
  const isFixed = args.length > 0 && args.every(({ op }) => op === 'constant');
  if (!isFixed || !isHost(expression) || isCondition(expression)) return expression;
  return constant(compileHost([expression])({}, new Float64Array(1))[0]);
}

/**
 * A function that makes equal subexpressions one node each, and constants of what the host can
 * compute beforehand. Operands are not exchanged: x + y and y + x are two nodes.
 */
export function mergeEqual(): (expression: Expression) => Expression {
  const merged = new Map<Expression, Expression>();
  const nodes = new Map<string, Expression>();
  const ids = new Map<Expression, number>();
  const keyOf = ({ op, name, value, args }: Expression): string => {
    const number = Object.is(value, -0) ? '-0' : value;
    return [op, name, number, ...args.map((arg) => ids.get(arg))].join();
  };
  const nodeOf = (expression: Expression): Expression => {
    const node = getOrMake(nodes, keyOf(expression), () => expression);
    if (node === expression) ids.set(node, ids.size);
    return node;
  };
  const merge = (expression: Expression): Expression =>
    getOrMake(merged, expression, () => {
      const args = expression.args.map(merge);
      return nodeOf(foldConstants({ ...expression, args }));
    });
  return merge;
}
