/** A variable as an optimizer knows it: its settings, its rule's plans and its counts. */
import type { Variable } from '@tensorflow/tfjs-core';
import { show } from '../check.js';
import { layoutOf, type Layout } from '../compiler/layout.js';
import type { Plan } from '../compiler/plan.js';
import { planPrepare, planUpdate, slotShape } from '../compiler/program.js';
import type { HostValues, Rule } from '../compiler/rule.js';
import type { Slots } from '../executors/executor.js';
import { settingsOf, type VariableSettings } from './groups.js';
import type { Definition, Options } from './options.js';
import type { Probe } from './probe.js';

/** What a rule is compiled to. */
export type Plans = {
  readonly update: Plan;
  /** The update with a probe's readings. */
  readonly probed: Plan | undefined;
  readonly prepare: Plan | undefined;
};

export type Entry = {
  readonly settings: VariableSettings;
  readonly rule: Rule;
  readonly plans: Plans;
  readonly layout: Layout;
  /** The shapes of the slots. */
  readonly shapes: Readonly<Record<string, readonly number[]>>;
  /** The slots; none before the variable's first step. */
  slots: Slots;
  /** What the rule's host is given, filled in anew at each step: an object a variable and step would be garbage. */
  readonly hostValues: { -readonly [name in keyof HostValues]: HostValues[name] };
  count: number;
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

export const describeEntry = ({ settings, rule }: Entry): Description => ({ ...settings, rotational: rule.roles.norm !== undefined, rule: rule.name, slots: rule.slots });

/** Makes entries; variables of one rule share its plans. */
export function entryMaker(owner: string, definition: Definition, { groups, weightDecay, clipNorm, probe }: Options): (variable: Variable) => Entry {
  const known = new Map<Rule, Plans>();
  return ({ name, shape }) => {
    const settings = settingsOf(owner, groups, weightDecay, { name, shape });
    const layout = layoutOf(`${owner}: variable ${show(name)}`, shape, settings.neuronAxis);
    const rule = definition.rule(settings, layout);
    const plans = known.get(rule) ?? plansOf(rule, clipNorm !== undefined, probe);
    known.set(rule, plans);
    const { size, neurons, fanIn } = layout;
    return {
      settings,
      rule,
      plans,
      layout,
      shapes: Object.fromEntries(Object.entries(rule.slots).map(([slot, domain]) => [slot, slotShape(domain, shape, layout)])),
      slots: {},
      hostValues: { learningRate: 0, weightDecay: settings.weightDecay, count: 0, step: 0, size, neurons, fanIn },
      count: 0,
      prepared: false,
    };
  };
}

const plansOf = (rule: Rule, scaled: boolean, probe: Probe | undefined): Plans => ({
  update: planUpdate(rule, scaled),
  probed: probe && planUpdate(rule, scaled, (values) => probe.readings(values)),
  prepare: planPrepare(rule),
});

/** True if a variable must be prepared before its first forward pass, and has not been. */
export const waitsForPreparation = ({ plans, prepared, count }: Entry): boolean => !prepared && count === 0 && plans.prepare !== undefined;
