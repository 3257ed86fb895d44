/** Which rules compile: `tsc` reads this file, nothing runs it. */
import {
  adamW,
  add,
  cautious,
  defineRule,
  deriveRule,
  mul,
  nesterov,
  sub,
  type Expression,
  type Rule,
} from '../../src/rules/index.js';

const { w, g } = { w: 0, g: 0 } as unknown as Record<'w' | 'g', Expression>;

/** Everything is named as it is declared. */
export const good = defineRule({
  name: 'good',
  slots: { m: 'element', norm: 'neuron' },
  hyperparameters: { beta: 0.9, gain: { range: '[1, Infinity)' } },
  roles: { momentum: 'm', momentumDecay: 'beta' },
  prepare: (values, s) => ({ w: mul(values.w, s.fanIn), norm: s.size }),
  random: ['m'],
  host: ({ learningRate, beta, gain, count }) => ({
    rate: learningRate * gain,
    beta,
    first: +!count,
  }),
  initial: (values, s) => ({ m: mul(s.first, values.norm) }),
  update: (values, s) => ({ w: sub(values.w, mul(s.rate, values.m)), m: mul(s.beta, values.g) }),
});
/** The names are in the rule's type, and it passes for a rule of any names. */
export const named: Rule<'m' | 'norm', 'beta' | 'gain', 'rate' | 'beta' | 'first'> = good;
export const anyRule: readonly Rule[] = [good, adamW(), cautious(nesterov(adamW()))];

/** Without a host the scalars are the host values, the hyperparameters among them. */
export const withoutHost = defineRule({
  name: 'withoutHost',
  hyperparameters: { gain: 1 },
  update: (values, s) => ({ w: sub(values.w, mul(mul(s.learningRate, s.gain), values.g)) }),
});

defineRule({
  name: 'hyperparameters',
  hyperparameters: { beta: 0.9 },
  // @ts-expect-error bta is not declared
  host: ({ learningRate, bta }) => ({ rate: learningRate * (1 - bta) }),
  update: () => ({ w }),
});
defineRule({
  name: 'hostValues',
  // @ts-expect-error learninRate is no host value
  host: ({ learninRate }) => ({ rate: learninRate as number }),
  update: () => ({ w }),
});
defineRule({
  name: 'scalars',
  host: ({ learningRate }) => ({ stepSize: learningRate }),
  // @ts-expect-error the host returns stepSize
  update: (values, s) => ({ w: sub(values.w, mul(s.stepSise, g)) }),
});
defineRule({
  name: 'hidden',
  host: ({ learningRate }) => ({ stepSize: learningRate }),
  // @ts-expect-error with a host, only what it returns is a scalar
  update: (values, s) => ({ w: sub(values.w, mul(s.learningRate, g)) }),
});
defineRule({
  name: 'hostless',
  // @ts-expect-error learninRate is no host value
  update: (values, s) => ({ w: sub(values.w, mul(s.learninRate, g)) }),
});
defineRule({
  name: 'slotsOfUpdate',
  slots: { momentum: 'element' },
  // @ts-expect-error the slot is called momentum
  update: (values) => ({ w: values.momentun }),
});
defineRule({
  name: 'slotsOfInitial',
  slots: { momentum: 'element' },
  // @ts-expect-error the slot is called momentum
  initial: (values) => ({ momentum: values.momentun }),
  update: () => ({ w }),
});
defineRule({
  name: 'undeclaredInResult',
  slots: { momentum: 'element' },
  // @ts-expect-error the slot is called momentum
  update: (values) => ({ w, momentum: values.g, momentun: values.g }),
});
defineRule({
  name: 'onlyUndeclaredInResult',
  slots: { momentum: 'element' },
  // @ts-expect-error the slot is called momentum
  update: () => ({ momentun: w }),
});
defineRule({
  name: 'random',
  slots: { momentum: 'element' },
  // @ts-expect-error the slot is called momentum
  random: ['momentun'],
  update: () => ({ w }),
});
defineRule({
  name: 'domain',
  // @ts-expect-error a slot has one value per element, neuron or tensor
  slots: { momentum: 'row' },
  update: () => ({ w }),
});
defineRule({
  name: 'preparation',
  slots: { momentum: 'element' },
  // @ts-expect-error slots have no values before the first step
  prepare: (values) => ({ w: values.momentum }),
  update: () => ({ w }),
});
defineRule({
  name: 'preparationScalars',
  // @ts-expect-error there is no learning rate before the first step
  prepare: (values, s) => ({ w: mul(values.w, s.learningRate) }),
  update: () => ({ w }),
});
defineRule({
  name: 'numbers',
  // @ts-expect-error the host gives numbers
  host: () => ({ kind: 'adamw' }),
  update: () => ({ w }),
});

/** Names flow from the inner rule. */
export const derived = deriveRule(good, {
  slots: { slow: 'element' },
  hyperparameters: { pull: 0.5 },
  host: ({ pull, beta }, inner) => ({ pull: pull * beta * inner.rate }),
  update: (values, s, next) => ({
    w: sub(next.w, mul(s.pull, sub(values.w, values.slow))),
    slow: add(next.m, mul(s.rate, values.slow)),
  }),
});
export const names: Rule<
  'm' | 'norm' | 'slow',
  'beta' | 'gain' | 'pull',
  'rate' | 'beta' | 'first' | 'pull'
> = derived;

deriveRule(good, {
  // @ts-expect-error the inner rule's hyperparameter is called beta
  host: ({ bta }) => ({ more: bta as number }),
  update: () => ({ w }),
});
deriveRule(good, {
  // @ts-expect-error the inner rule's scalar is called rate
  host: (values, inner) => ({ more: inner.rte }),
  update: () => ({ w }),
});
deriveRule(good, {
  // @ts-expect-error the inner rule's slot is called norm
  update: (values, s, next) => ({ w: mul(next.w, next.nrm) }),
});
deriveRule(good, {
  // @ts-expect-error the inner rule's slot is called norm
  update: (values, s, next) => ({ w: mul(next.w, s.rate), nrm: values.norm }),
});
deriveRule(adamW(), {
  // @ts-expect-error AdamW's scalar is called stepSize
  update: (values, s, next) => ({ w: mul(next.w, s.stepSise) }),
});
deriveRule(nesterov(adamW()), {
  update: (_, s, next) => ({ w: mul(next.w, s.lookAhead), v: next.v }),
});
