/** What an optimizer knows and keeps of a variable: settings, rule, plans, slots and counts. */
import type { Variable } from '@tensorflow/tfjs-core';
import { show } from '../check.js';
import { layoutOf, type Layout } from '../compiler/layout.js';
import type { Plan } from '../compiler/plan.js';
import { planPrepare, planUpdate, slotShape } from '../compiler/program.js';
import type { HostValues, Rule } from '../compiler/rule.js';
import type { Slots } from '../executors/executor.js';
import { getOrMake } from '../get-or-make.js';
import { mapValues } from '../map-values.js';
import { settingsOf, type VariableSettings } from './groups.js';
import type { Definition, Options } from './options.js';

/** What a rule is compiled to. */
export type Plans = {
  readonly update: Plan;
  /** The update with a probe's readings. */
  readonly probed: Plan | undefined;
  readonly prepare: Plan | undefined;
};

type Mutable<T> = { -readonly [name in keyof T]: T[name] };

export type VariableState = {
  readonly name: string;
  readonly settings: VariableSettings;
  readonly rule: Rule;
  /** Why a rotational optimizer does not rotate it. */
  readonly obstacle: string | undefined;
  readonly plans: Plans;
  readonly layout: Layout;
  /** The shapes of the slots. */
  readonly shapes: Readonly<Record<string, readonly number[]>>;
  /** Empty until the variable is added to a training. */
  slots: Slots;
  /**
   * What the rule's host is given. Each step writes its learning rate, count and others into this
   * one object: a new one for every variable and step would be garbage.
   */
  readonly hostValues: Mutable<HostValues>;
  /** Updates so far. */
  count: number;
  /** True if there is nothing to do before the first forward pass. */
  prepared: boolean;
};

/** What `describe` says of a variable. */
export type Description = VariableSettings & {
  /** True if its weight vectors keep their norm and turn by chosen angles. */
  readonly rotational: boolean;
  /** The name of its update rule. */
  readonly rule: string;
  /** What is kept for it between steps. */
  readonly slots: Rule['slots'];
};

export const isRotational = (rule: Rule): boolean => rule.roles.norm !== undefined;

export const describeVariable = ({ settings, rule }: VariableState): Description => ({
  ...settings,
  rotational: isRotational(rule),
  rule: rule.name,
  slots: rule.slots,
});

/** Creates states of an optimizer's variables; variables of one rule share its plans. */
export function stateFactory(
  label: string,
  definition: Definition,
  options: Options,
): (variable: Variable, isVariable: (name: string) => boolean) => VariableState {
  const plainRule = definition.rule(options);
  const rotation = definition.rotation?.(options, label);
  // NaN for what is no number, such as a name: hosts do not ask for these.
  const hyperparameters = mapValues(definition.hyperparameters, (_, name) => Number(options[name]));
  const plansOfRules = new Map<Rule, Plans>();
  return (variable, isVariable) => {
    const { name, shape } = variable;
    const settings = settingsOf(label, options, variable, isVariable);
    const layout = layoutOf(`${label}: variable ${show(name)}`, shape, settings.neuronAxis);
    const obstacle = rotation?.obstacle(settings, layout);
    const rule = rotation && obstacle === undefined ? rotation.rule : plainRule;
    const plans = getOrMake(plansOfRules, rule, () => compile(rule, options));
    const { size, neurons, fanIn } = layout;
    return {
      name,
      settings,
      rule,
      obstacle,
      plans,
      layout,
      shapes: mapValues(rule.slots, (domain) => slotShape(domain, shape, layout)),
      slots: {},
      hostValues: {
        ...hyperparameters,
        learningRate: 0,
        weightDecay: settings.weightDecay,
        count: 0,
        step: 0,
        size,
        neurons,
        fanIn,
      },
      count: 0,
      prepared: !plans.prepare,
    };
  };
}

function compile(rule: Rule, { clipNorm, probe }: Options): Plans {
  const clipped = clipNorm !== undefined;
  return {
    update: planUpdate(rule, clipped),
    probed: probe && planUpdate(rule, clipped, (values) => probe.readings(values)),
    prepare: planPrepare(rule),
  };
}
