import { type serialization } from '@tensorflow/tfjs-core';
import { check, checkNames, show } from '../check.js';
import { commonHostNames, type Rule } from '../compiler/rule.js';
import { mapValues } from '../map-values.js';
import { checkOption, within, type Schema } from '../schema.js';
import { checkConfig } from './config.js';
import { FusedOptimizer } from './optimizer.js';
import { commonSchema, type CommonOptions } from './options.js';

export type RuleOptimizerOptions = CommonOptions & {
  /** A rule that `defineRule` or a transform of rules returned, or one of this library. */
  readonly rule: Rule;
  /**
   * Numbers for the rule's `host`, in place of the defaults that the rule declares. One without a
   * default must be given. A rule that declares no hyperparameters takes any.
   */
  readonly hyperparameters?: Readonly<Record<string, number>>;
};

/** Rules that saved models may use, by name. */
const registered = new Map<string, Rule>();

/** True of what `defineRule` gives. */
export const isRule = (value: unknown): value is Rule => {
  const { update, slots } = (value ?? {}) as Partial<Rule>;
  return typeof update === 'function' && typeof slots === 'object';
};

/** Lets models that were saved with a user's rule find it again by name. */
export const registerRule = (rule: Rule): void => {
  registered.set(rule.name, rule);
};

/** A hyperparameter that no rule declares. */
const anyNumber = /* @__PURE__ */ within('(-Infinity, Infinity)');

/** Throws unless hyperparameters can have these names. */
function checkHyperparameterNames(label: string, names: readonly string[]): void {
  const reserved = [...new Set([...Object.keys(commonSchema), ...commonHostNames])];
  for (const name of names) {
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
}

/** The hyperparameters of a rule, each with the value that is given or else its default. */
function parseHyperparameters(
  label: string,
  { hyperparameters: declared }: Rule,
  given: Readonly<Record<string, number>>,
): Record<string, number> {
  const schema: Schema =
    Object.keys(declared).length > 0 ? declared : mapValues(given, () => anyNumber);
  for (const name of Object.keys(given)) {
    if (!Object.hasOwn(schema, name)) {
      const allowed = Object.keys(schema).join(', ');
      throw new Error(`${label}: unknown hyperparameter ${show(name)}, allowed are ${allowed}`);
    }
  }
  return mapValues(schema, (option, name) => {
    const { [name]: value = option.default } = given as Readonly<Record<string, unknown>>;
    checkOption(label, `hyperparameters.${name}`, option, value);
    return value as number;
  });
}

/**
 * An optimizer of your own: one rule, fused kernels on every backend.
 *
 * Weight decay: default 0; what it does is the rule's matter. Slots: as the rule says.
 *
 * @throws {Error} if an option or a hyperparameter is unknown, missing or out of range.
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
    const { rule, hyperparameters: givenHyperparameters = {}, ...options } = given;
    check(isRule(rule), 'RuleOptimizer', 'rule', 'be what defineRule gave', rule);
    const label = `RuleOptimizer ${rule.name}`;
    check(
      givenHyperparameters !== null && typeof givenHyperparameters === 'object',
      label,
      'hyperparameters',
      'be an object of numbers',
      givenHyperparameters,
    );
    const names = [...Object.keys(rule.hyperparameters), ...Object.keys(givenHyperparameters)];
    checkHyperparameterNames(label, names);
    // The base takes hyperparameters for options: outside of `hyperparameters` they are unknown.
    checkNames(label, options, Object.keys(commonSchema));
    const hyperparameters = parseHyperparameters(label, rule, givenHyperparameters);
    super(
      {
        label,
        weightDecay: 0,
        decoupled: rule.decoupled === true,
        hyperparameters: mapValues(hyperparameters, (value) => ({ ...anyNumber, default: value })),
        rule: () => rule,
      },
      { ...options, ...givenHyperparameters },
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
    checkConfig('RuleOptimizer', config);
    const rule = registered.get(config.rule as string);
    if (!rule)
      throw new Error(
        `RuleOptimizer: the saved rule ${show(config.rule)} is not known here; ` +
          'call registerOptimizers({ rules: [rule] }) before loading',
      );
    const { hyperparameters: saved } = config;
    // A default that was saved is the rule's own again. What is no object the constructor refuses.
    const isObject = typeof saved === 'object' && saved !== null;
    const hyperparameters = isObject
      ? Object.fromEntries(
          Object.entries(saved as serialization.ConfigDict).filter(
            ([name, value]) => value !== rule.hyperparameters[name]?.default,
          ),
        )
      : saved;
    const options = { ...config, rule, hyperparameters };
    return super.fromConfig(cls, options as unknown as serialization.ConfigDict);
  }
}
