/**
 * What src/rules exports beside the language of expressions. test/optimizers/registry.test.ts fails
 * for an export that stands in neither list.
 */

/**
 * Each rule, or function that makes one, and the case of test/support/optimizers.ts in which its
 * numbers are compared with a reference of test/reference.
 */
export const ruleCases: Readonly<Record<string, string>> = {
  adamW: 'AdamW',
  cautious: 'RuleOptimizer, cautious(adamW())',
  giAdam: 'GIAdam',
  lion: 'Lion',
  lionA: 'LionA',
  lionAR: 'LionAR',
  nesterov: 'RuleOptimizer, nesterov(adamW())',
  rAdam: 'RAdam',
  rotationalAdamW: 'RotationalAdamW',
  rotationalLion: 'RotationalLion',
  rotationalSGDM: 'RotationalSGDM',
  sgdMomentum: 'SGDMomentum',
};

/** Formulas about rules; test/rotational/equilibrium.test.ts has their numbers. */
export const formulas: readonly string[] = [
  'adamWFromLion',
  'equilibriumRotation',
  'lionFromAdamW',
  'rotationFromAdamW',
  'weightDecayFromRotation',
];
