/**
 * GI-Adam: Adam whose second moment starts at the squared first gradient, with the usual bias
 * corrections kept, which then act as a warmup eta sqrt(1 - beta2^t). Source: Kalra and Barkeshli,
 * arXiv 2406.09405, section 6.2, Eqs 9 to 11. float64 reference: test/reference/gi-adam.ts.
 */
import { div, equal, mul, select, square, tensorSum } from '../compiler/expression.js';
import { makeRule, type HostValues, type Rule } from '../compiler/rule.js';
import { float32Within } from '../schema.js';
import {
  adamHost,
  adamHyperparameters,
  adamRoles,
  adamSlots,
  adamUpdate,
  type AdamScalar,
  type AdamSlot,
} from './adamw.js';

export type GIAdamInitialization = 'gradient' | 'firstNonZeroGradient' | 'random';

export const giAdamHyperparameters = {
  ...adamHyperparameters,
  initialScale: /* @__PURE__ */ float32Within('[1, Infinity)', 1),
};

type GIAdamHyperparameter = keyof typeof giAdamHyperparameters;
type GIAdamRule = Rule<AdamSlot, GIAdamHyperparameter, AdamScalar | 'initialScale'>;

const common = {
  slots: adamSlots,
  roles: adamRoles,
  hyperparameters: giAdamHyperparameters,
  decoupled: true,
  host: (values: HostValues<GIAdamHyperparameter>) => ({
    ...adamHost(values),
    initialScale: values.initialScale,
  }),
};

/** v_0 = initialScale g_1^2. */
const fromGradient = (): GIAdamRule =>
  makeRule({
    ...common,
    name: 'giAdam',
    initial: ({ g }, s) => ({ v: mul(s.initialScale, square(g)) }),
    update: adamUpdate,
  });

/**
 * Each entry starts at its own first gradient that is not 0: an embedding row that is first seen
 * late starts as small as the others.
 */
const fromFirstNonZeroGradient = (): GIAdamRule =>
  makeRule({
    ...common,
    name: 'giAdamFirstNonZero',
    update(values, s) {
      const { g, v } = values;
      const started = select(equal(v, 0), mul(s.initialScale, square(g)), v);
      return adamUpdate({ ...values, v: started }, s);
    },
  });

/**
 * RI-Adam, the control experiment: random numbers with the gradient's norm, squared (section I.3).
 */
const fromRandom = (): GIAdamRule =>
  makeRule({
    ...common,
    name: 'riAdam',
    random: ['v'],
    initial: ({ g, v }, s) => ({
      v: mul(mul(s.initialScale, square(v)), div(tensorSum(square(g)), tensorSum(square(v)))),
    }),
    update: adamUpdate,
  });

const forms: Record<GIAdamInitialization, () => GIAdamRule> = {
  gradient: fromGradient,
  firstNonZeroGradient: fromFirstNonZeroGradient,
  random: fromRandom,
};

/** GI-Adam in one of its forms. */
export const giAdam = (initialization: GIAdamInitialization = 'gradient'): Rule =>
  forms[initialization]();
