import { type serialization } from '@tensorflow/tfjs-core';
import { check, checkNames, checkNumber } from '../check.js';
import type { Rule } from '../compiler/rule.js';
import { FusedOptimizer, type CommonOptions } from './optimizer.js';

export type RuleOptimizerOptions = CommonOptions & {
  /** What `defineRule` gave. */
  readonly rule: Rule;
  /** Numbers for the rule's `host`, beside the learning rate and the others that every rule gets. */
  readonly hyperparameters?: Readonly<Record<string, number>>;
};

const known = new Map<string, Rule>();

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

  constructor({ rule, hyperparameters = {}, ...options }: RuleOptimizerOptions) {
    check(typeof rule?.update === 'function' && typeof rule.slots === 'object', 'RuleOptimizer', 'rule', 'be what defineRule gave', rule);
    const owner = `RuleOptimizer ${rule.name}`;
    for (const [name, value] of Object.entries(hyperparameters)) checkNumber(owner, `hyperparameters.${name}`, value, '(-Infinity, Infinity)');
    super(
      owner,
      {
        weightDecay: 0,
        decoupled: false,
        hyperparameters: Object.fromEntries(Object.entries(hyperparameters).map(([name, value]) => [name, { default: value, check: () => undefined }])),
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

  static override fromConfig<T extends serialization.Serializable>(cls: serialization.SerializableConstructor<T>, config: serialization.ConfigDict): T {
    const rule = known.get(config.rule as string);
    if (!rule) throw new Error(`RuleOptimizer: the saved rule '${config.rule as string}' is not known here; call registerOptimizers({ rules: [rule] }) before loading`);
    const { hyperparameters } = config;
    checkNames('RuleOptimizer', hyperparameters, Object.keys(hyperparameters as object));
    return super.fromConfig(cls, { ...config, rule: rule as unknown as serialization.ConfigDict });
  }
}
