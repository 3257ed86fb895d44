/** The language: types, domains, and what the composed operations mean. */
import { describe, expect, it } from 'vitest';
import { evaluate } from '../support/evaluate.js';
import {
  add,
  constant,
  div,
  equal,
  input,
  less,
  lessEqual,
  maximum,
  minimum,
  ema,
  mul,
  neuronSum,
  scalar,
  select,
  sign,
  sqrt,
  square,
  sub,
  tensorSum,
  type Expression,
} from '../../src/compiler/expression.js';
import { defineRule } from '../../src/compiler/define-rule.js';

const w = input('w', 'element');
const n = input('n', 'neuron');
const t = input('t', 'tensor');
const s = scalar('s');

describe('domains', () => {
  it('an operation varies over what the widest of its operands varies over', () => {
    expect(add(s, 1).domain).toBe('host');
    expect(mul(t, s).domain).toBe('tensor');
    expect(sub(t, n).domain).toBe('neuron');
    expect(div(n, w).domain).toBe('element');
    expect(less(n, t).domain).toBe('neuron');
    expect(select(less(w, 0), n, t).domain).toBe('element');
    expect(neuronSum(w).domain).toBe('neuron');
    expect(tensorSum(n).domain).toBe('tensor');
  });
});

describe('type errors', () => {
  const none = undefined as unknown as Expression;
  it.each<[string, () => unknown, string]>([
    [
      'a condition as a number',
      () => add(less(w, 0), 1),
      'add: an operand must be a number expression, got boolean',
    ],
    [
      'a condition compared',
      () => equal(less(w, 0), 1),
      'equal: an operand must be a number expression, got boolean',
    ],
    [
      'a number as a condition',
      () => select(w, 1, 0),
      'select: an operand must be a boolean expression, got number',
    ],
    [
      'a constant as a condition',
      () => select(1 as unknown as Expression, 1, 0),
      'select: an operand must be a boolean expression, got number',
    ],
    [
      'a condition as a branch',
      () => select(less(w, 0), less(w, 1), 0),
      'select: an operand must be a number expression, got boolean',
    ],
    [
      'a slot that does not exist',
      () => mul(none, 2),
      'mul: an operand must be a number expression, got undefined',
    ],
    [
      'a text',
      () => sqrt('x' as unknown as Expression),
      'sqrt: an operand must be a number expression, got x',
    ],
    [
      'a condition in a sum',
      () => neuronSum(less(w, 0)),
      'neuronSum: an operand must be a number expression, got boolean',
    ],
    [
      'the neuron sum of neuron values',
      () => neuronSum(n),
      'neuronSum: the operand must vary over element, got one that varies over neuron',
    ],
    [
      'the neuron sum of a tensor value',
      () => neuronSum(t),
      'neuronSum: the operand must vary over element, got one that varies over tensor',
    ],
    [
      'the tensor sum of a tensor value',
      () => tensorSum(t),
      'tensorSum: the operand must vary over element or neuron, got one that varies over tensor',
    ],
    [
      'the tensor sum of a host value',
      () => tensorSum(s),
      'tensorSum: the operand must vary over element or neuron, got one that varies over host',
    ],
    [
      'the neuron sum of a number',
      () => neuronSum(1 as unknown as Expression),
      'neuronSum: the operand must vary over element, got one that varies over host',
    ],
  ])('%s', (_, make, message) => {
    expect(make).toThrow(message);
  });
});

describe('composed operations', () => {
  const at = (expression: Expression): number => evaluate(expression, { s: 0.25 });
  const numbers = [0, -0, 1, -2.5, 1e-310, Infinity, -Infinity, NaN];

  it('minimum and maximum are the smaller and the larger, the first where either is NaN', () => {
    for (const x of numbers) {
      for (const y of numbers) {
        expect(at(minimum(x, y))).toBe(y < x ? y : x);
        expect(at(maximum(x, y))).toBe(y > x ? y : x);
      }
    }
  });
  it('sign is 1 or -1, and x itself for 0, -0 and NaN', () => {
    expect(numbers.map((x) => at(sign(x)))).toEqual([0, -0, 1, -1, 1, 1, -1, NaN]);
  });
  it('ema weighs the first by t and the second by 1 - t', () => {
    expect(at(ema(8, 4, s))).toBe(0.25 * 8 + 0.75 * 4);
  });
  it('square', () => {
    expect(at(square(-3))).toBe(9);
  });
  it('comparisons are false where either is NaN', () => {
    for (const compare of [less, lessEqual, equal])
      for (const [x, y] of [
        [NaN, 1],
        [1, NaN],
        [NaN, NaN],
      ])
        expect(at(compare(x, y))).toBe(0);
    expect([at(less(1, 1)), at(lessEqual(1, 1)), at(equal(0, -0))]).toEqual([0, 1, 1]);
  });
  it('a host divisor becomes a factor; one that varies on the device stays', () => {
    expect(div(w, s)).toMatchObject({ op: 'mul', args: [w, { op: 'div', domain: 'host' }] });
    expect(div(w, t)).toMatchObject({ op: 'div', args: [w, t] });
    expect(div(s, 2)).toMatchObject({ op: 'div', domain: 'host' });
  });
  it('a name that the host does not give is an error that says so', () => {
    expect(() => evaluate(scalar('beta3'), { beta2: 0.9 })).toThrow(
      "the host gives no number called 'beta3'",
    );
    expect(at(constant(2))).toBe(2);
  });
});

describe('defineRule', () => {
  const update = () => ({});
  it.each<[string, () => unknown, string]>([
    [
      'a name with other signs',
      () => defineRule({ name: 'my rule', update }),
      "defineRule: name must be letters and digits, got 'my rule'",
    ],
    [
      'a slot named w',
      () => defineRule({ name: 'r', slots: { w: 'element' }, update }),
      "rule r: slots must be named with letters and digits, and not 'w', 'g' or 'count', got 'w'",
    ],
    [
      'a slot named count',
      () => defineRule({ name: 'r', slots: { count: 'tensor' }, update }),
      "got 'count'",
    ],
    [
      'an unknown kind of slot',
      () => defineRule({ name: 'r', slots: { m: 'row' as 'neuron' }, update }),
      "rule r: slots.m must be 'element', 'neuron' or 'tensor', got 'row'",
    ],
    [
      'a role without its slot',
      () => defineRule({ name: 'r', roles: { momentum: 'm' }, update }),
      "rule r: roles.momentum must name a slot, got 'm'",
    ],
    [
      'no update',
      () => defineRule({ name: 'r' } as never),
      'rule r: update must be a function, got undefined',
    ],
    [
      'an unknown part',
      () => defineRule({ name: 'r', update, slot: {} } as never),
      "defineRule: unknown option 'slot'",
    ],
  ])('%s', (_, make, message) => {
    expect(make).toThrow(message);
  });
  it('parts that are given as undefined are left out', () => {
    expect(defineRule({ name: 'r', slots: undefined, roles: undefined, update })).toMatchObject({
      slots: {},
      roles: {},
    });
  });
});
