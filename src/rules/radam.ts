/**
 * RAdam. Source: Liu et al., On the variance of the adaptive learning rate and beyond, Algorithm 2
 * (arXiv 1908.03265). float64 reference: test/reference/radam.ts.
 */
import { less, mul, select } from '../compiler/expression.js';
import { makeRule } from '../compiler/rule.js';
import {
  adamDirection,
  adamHost,
  adamHyperparameters,
  adamRoles,
  adamSlots,
  type AdamHostValues,
} from './adamw.js';
import { biasCorrection } from './bias-correction.js';
import { decayedStep } from './decayed-step.js';

/** Below this length of the simple moving average the second moment is not used (torch, Optax). */
const threshold = 5;

/**
 * rho_t = rho_inf - 2 t beta2^t / (1 - beta2^t), and the rectification sqrt((rho-4)(rho-2)rho_inf /
 * ((rho_inf-4)(rho_inf-2)rho)).
 */
export function rectification(beta2: number, t: number): { length: number; factor: number } {
  const longest = 2 / (1 - beta2) - 1;
  const length = longest - (2 * t * beta2 ** t) / biasCorrection(beta2, t);
  return {
    length,
    factor: Math.sqrt(
      ((length - 4) * (length - 2) * longest) / ((longest - 4) * (longest - 2) * length),
    ),
  };
}

const host = (values: AdamHostValues) => {
  const { length, factor } = rectification(values.beta2, values.count + 1);
  const rectified = length > threshold;
  const adam = adamHost(values);
  return {
    ...adam,
    rectified: Number(rectified),
    adaptiveStep: rectified ? adam.stepSize * factor : 0,
    plainStep: values.learningRate / biasCorrection(values.beta1, values.count + 1),
  };
};

export const rAdam = /* @__PURE__ */ makeRule({
  name: 'rAdam',
  slots: adamSlots,
  roles: adamRoles,
  hyperparameters: adamHyperparameters,
  decoupled: true,
  host,
  update: ({ w, g, m, v }, s) => {
    const { direction, m: first, v: second } = adamDirection({ g, m, v }, s);
    const step = select(
      less(0, s.rectified),
      mul(s.adaptiveStep, direction),
      mul(s.plainStep, first),
    );
    return { w: decayedStep(w, step, s), m: first, v: second };
  },
});
