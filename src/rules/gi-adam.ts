/**
 * GI-Adam: Adam whose second moment starts at the squared first gradient, with the usual bias
 * corrections kept, which then act as a warmup eta sqrt(1 - beta2^t). Source: Kalra and Barkeshli,
 * arXiv 2406.09405, section 6.2, Eqs 9 to 11.
 */
import { div, equal, mul, select, square, tensorSum } from '../compiler/expression.js';
import { makeRule, type Rule } from '../compiler/rule.js';
import { adamHost, adamRoles, adamSlots, adamUpdate } from './adamw.js';

export type GIAdamInitialization = 'gradient' | 'firstNonZeroGradient' | 'random';

const common = {
  slots: adamSlots,
  roles: adamRoles,
  host: (values: Parameters<typeof adamHost>[0]) => ({
    ...adamHost(values),
    initialScale: values.initialScale,
  }),
};

/** v_0 = initialScale g_1^2. */
const fromGradient: () => Rule = () =>
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
const fromFirstNonZeroGradient: () => Rule = () =>
  makeRule({
    ...common,
    name: 'giAdamFirstNonZero',
    update: (values, s) =>
      adamUpdate(
        {
          ...values,
          v: select(equal(values.v, 0), mul(s.initialScale, square(values.g)), values.v),
        },
        s,
      ),
  });

/**
 * RI-Adam, the control experiment: random numbers with the gradient's norm, squared (section I.3).
 */
const fromRandom: () => Rule = () =>
  makeRule({
    ...common,
    name: 'riAdam',
    random: ['v'],
    initial: ({ g, v }, s) => ({
      v: mul(mul(s.initialScale, square(v)), div(tensorSum(square(g)), tensorSum(square(v)))),
    }),
    update: adamUpdate,
  });

const forms: Record<GIAdamInitialization, () => Rule> = {
  gradient: fromGradient,
  firstNonZeroGradient: fromFirstNonZeroGradient,
  random: fromRandom,
};

export const giAdam = (initialization: GIAdamInitialization = 'gradient'): Rule =>
  forms[initialization]();
