import { type serialization } from '@tensorflow/tfjs-core';
import { check, checkNames, checkNumber } from '../check.js';
import type { Rule } from '../compiler/rule.js';
import { mapValues } from '../map-values.js';
import { FusedOptimizer } from './optimizer.js';
import type { CommonOptions } from './options.js';
import { within } from '../schema.js';

export type RuleOptimizerOptions = CommonOptions & {
  /** What `defineRule` gave. */
  readonly rule: Rule;
  /**
   * Numbers for the rule's `host`, beside the learning rate and the others that every rule gets.
   */
  readonly hyperparameters?: Readonly<Record<string, number>>;
};

const known = new Map<string, Rule>();

/** Options of every optimizer and values that every rule's host gets. */
const reserved = [
  'learningRate',
  'weightDecay',
  'groups',
  'clipNorm',
  'executor',
  'count',
  'step',
  'size',
  'neurons',
  'fanIn',
];

/** Lets models that were saved with a user's rule find it again by name. */
export const registerRule = (rule: Rule): void => {
  known.set(rule.name, rule);
};

/**
 * An optimizer of your own: one rule, fused kernels on every backend.
 *
 * Weight decay: default 0; what it does is the rule's matter. Slots: as the rule says.
 *
 * @throws for an option that is unknown or out of range.
 * @example
 * const rule = defineRule({
 *   name: 'signDescent',
 *   update: ({ w, g }, s) => ({ w: sub(w, mul(s.learningRate, sign(g))) }),
 * });
 * const optimizer = new RuleOptimizer({ rule, learningRate: 1e-3 });
 */
export class RuleOptimizer extends FusedOptimizer {
  static get className() {
    return 'RuleOptimizer';
  }

  readonly #rule: Rule;
  readonly #hyperparameters: Readonly<Record<string, number>>;

  constructor(given: RuleOptimizerOptions) {
    check(
      given !== null && typeof given === 'object',
      'RuleOptimizer',
      'options',
      'be an object with rule, learningRate and others',
      given,
    );
    const { rule, hyperparameters = {}, ...options } = given;
    check(
      typeof rule?.update === 'function' && typeof rule.slots === 'object',
      'RuleOptimizer',
      'rule',
      'be what defineRule gave',
      rule,
    );
    const label = `RuleOptimizer ${rule.name}`;
    check(
      hyperparameters !== null && typeof hyperparameters === 'object',
      label,
      'hyperparameters',
      'be an object of numbers',
      hyperparameters,
    );
    for (const name of Object.keys(hyperparameters)) {
      // Loading a model rewrites names with underscores; the reserved ones would hide what every
      // rule gets.
      check(
        /^[a-zA-Z][a-zA-Z0-9]*$/.test(name) && !reserved.includes(name),
        label,
        'hyperparameters',
        `be named with letters and digits, and not ${reserved.join(', ')}`,
        name,
      );
    }
    for (const [name, value] of Object.entries(hyperparameters))
      checkNumber(label, `hyperparameters.${name}`, value, '(-Infinity, Infinity)');
    super(
      {
        label,
        weightDecay: 0,
        decoupled: false,
        hyperparameters: mapValues(hyperparameters, (value) =>
          within('(-Infinity, Infinity)', value),
        ),
        rule: () => rule,
      },
      options,
    );
    this.#rule = rule;
    this.#hyperparameters = hyperparameters;
  }

  override getConfig(): serialization.ConfigDict {
    const config = super.getConfig();
    for (const name of Object.keys(this.#hyperparameters)) delete config[name];
    return { ...config, rule: this.#rule.name, hyperparameters: { ...this.#hyperparameters } };
  }

  static override fromConfig<T extends serialization.Serializable>(
    cls: serialization.SerializableConstructor<T>,
    config: serialization.ConfigDict,
  ): T {
    const rule = known.get(config.rule as string);
    if (!rule)
      throw new Error(
        `RuleOptimizer: the saved rule '${config.rule as string}' is not known here; call registerOptimizers({ rules: [rule] }) before loading`,
      );
    const { hyperparameters } = config;
    checkNames('RuleOptimizer', hyperparameters, Object.keys(hyperparameters as object));
    return super.fromConfig(cls, { ...config, rule: rule as unknown as serialization.ConfigDict });
  }
}
