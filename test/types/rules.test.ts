/** The types of rules and schedules, as a user meets them; `tsc --noEmit` checks them. */
import type { serialization } from '@tensorflow/tfjs-core';
import { expectTypeOf, test } from 'vitest';
import {
  adamW,
  defineRule,
  ema,
  equilibriumRotation,
  mul,
  scheduleFrom,
  sub,
  tensorSum,
  wsd,
  type Expression,
  type Operand,
  type Rule,
  type Schedule,
  type ScheduleSpec,
} from '../../src/index.js';

test('expressions are made of expressions and numbers', () => {
  expectTypeOf<number>().toExtend<Operand>();
  expectTypeOf<Expression>().toExtend<Operand>();
  expectTypeOf<string>().not.toExtend<Operand>();
  expectTypeOf(mul).returns.toEqualTypeOf<Expression>();
  expectTypeOf(tensorSum).returns.toEqualTypeOf<Expression>();
  expectTypeOf(ema).parameters.toEqualTypeOf<[Operand, Operand, Operand]>();
});

test('a rule sees the weight, the gradient and its slots as expressions', () => {
  const rule = defineRule({
    name: 'typed',
    slots: { m: 'element' },
    host: ({ learningRate, count }) => {
      expectTypeOf(learningRate).toBeNumber();
      expectTypeOf(count).toBeNumber();
      return { learningRate };
    },
    update: ({ w, g, m }, s) => {
      expectTypeOf([w, g, m]).toEqualTypeOf<Expression[]>();
      return { w: sub(w, mul(s.learningRate, g)), m };
    },
  });
  expectTypeOf(rule).toExtend<Rule>();
  expectTypeOf(adamW()).toExtend<Rule>();
});

test('formulas give numbers', () => {
  expectTypeOf(equilibriumRotation).returns.toBeNumber();
});

test('a schedule is a function with its description, which survives JSON and a ConfigDict', () => {
  expectTypeOf(wsd).returns.toExtend<Schedule>();
  expectTypeOf<Schedule>().toExtend<(step: number) => number>();
  expectTypeOf(scheduleFrom).parameter(0).toEqualTypeOf<ScheduleSpec>();
  expectTypeOf(scheduleFrom).returns.toEqualTypeOf<Schedule>();
  expectTypeOf<ScheduleSpec>().toExtend<serialization.ConfigDict>();
});
