/** A variable as an optimizer knows it: its settings, its rule's plans and its counts. */
import type { Variable } from '@tensorflow/tfjs-core';
import { show } from '../check.js';
import { layoutOf, type Layout } from '../compiler/layout.js';
import type { Plan } from '../compiler/plan.js';
import { planPrepare, planUpdate, slotShape } from '../compiler/program.js';
import { hostScalars, type HostValues, type Rule } from '../compiler/rule.js';
import type { Job, Slots } from '../executors/executor.js';
import { getOrMake } from '../get-or-make.js';
import { mapValues } from '../map-values.js';
import { settingsOf, type VariableSettings } from './groups.js';
import type { Definition, Options } from './options.js';
import type { Update } from './updates.js';

/** What a rule is compiled to. */
export type Plans = {
  readonly update: Plan;
  /** The update with a probe's readings. */
  readonly probed: Plan | undefined;
  readonly prepare: Plan | undefined;
};

export type VariableState = {
  readonly name: string;
  readonly settings: VariableSettings;
  readonly rule: Rule;
  readonly plans: Plans;
  readonly layout: Layout;
  /** The shapes of the slots. */
  readonly shapes: Readonly<Record<string, readonly number[]>>;
  /** The slots; none before the variable's first step. */
  slots: Slots;
  /**
   * What the rule's host is given, filled in anew at each step: an object a variable and step would
   * be garbage.
   */
  readonly hostValues: { -readonly [name in keyof HostValues]: HostValues[name] };
  /** Updates so far. */
  count: number;
  /** True if there is nothing to do before the first forward pass. */
  prepared: boolean;
};

/** What `describe` tells of a variable. */
export type Description = VariableSettings & {
  /** True if its weight vectors keep their norm and turn by chosen angles. */
  readonly rotational: boolean;
  /** The name of its update rule. */
  readonly rule: string;
  /** What is kept for it between steps. */
  readonly slots: Rule['slots'];
};

export const isRotational = ({ rule }: VariableState): boolean => rule.roles.norm !== undefined;

export const describeVariable = (entry: VariableState): Description => ({
  ...entry.settings,
  rotational: isRotational(entry),
  rule: entry.rule.name,
  slots: entry.rule.slots,
});

/** Makes entries; variables of one rule share its plans. */
export function variableStateMaker(
  label: string,
  definition: Definition,
  options: Options,
): (variable: Variable) => VariableState {
  const { groups, weightDecay, clipNorm, probe } = options;
  const plain = definition.rule(options);
  const rotation = definition.rotation?.(options);
  // NaN for what is no number, such as a name: hosts do not ask for these.
  const numbers = mapValues(definition.hyperparameters, (_, name) => Number(options[name]));
  const known = new Map<Rule, Plans>();
  return (variable) => {
    const { name, shape } = variable;
    const settings = settingsOf(label, groups, weightDecay, variable);
    const layout = layoutOf(`${label}: variable ${show(name)}`, shape, settings.neuronAxis);
    const rule = rotation?.applies(settings, layout) ? rotation.rule : plain;
    const plans = getOrMake(known, rule, () => ({
      update: planUpdate(rule, clipNorm !== undefined),
      probed: probe && planUpdate(rule, clipNorm !== undefined, (values) => probe.readings(values)),
      prepare: planPrepare(rule),
    }));
    const { size, neurons, fanIn } = layout;
    return {
      name,
      settings,
      rule,
      plans,
      layout,
      shapes: mapValues(rule.slots, (domain) => slotShape(domain, shape, layout)),
      slots: {},
      hostValues: {
        ...numbers,
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

/** What the executor has to do for an update, `numbers` being those of the step. */
export function jobOf(
  { variable, gradient, entry }: Update,
  learningRate: number,
  numbers: Readonly<Record<string, number>>,
  probed = false,
): Job {
  const { settings, rule, plans, layout, slots, count, hostValues } = entry;
  Object.assign(hostValues, numbers);
  hostValues.learningRate = learningRate * settings.learningRateScale;
  hostValues.count = count;
  return {
    variable,
    gradient,
    slots,
    plan: probed ? plans.probed! : plans.update,
    layout,
    values: hostScalars(rule, hostValues),
  };
}
