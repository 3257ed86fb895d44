/** Options: those that all optimizers take, and how an optimizer's own are declared, checked, saved and turned into numbers. */
import type { serialization } from '@tensorflow/tfjs-core';
import { check, checkNames, checkNumber } from '../check.js';
import type { Layout } from '../compiler/layout.js';
import type { Rule } from '../compiler/rule.js';
import type { ExecutorChoice } from '../executors/choose.js';
import { checkGroups, groupsConfig, groupsFromConfig, type Group, type VariableSettings } from './groups.js';
import type { Hyperparameter } from './hyperparameters.js';
import { checkRate, optionConfig, optionFromConfig, rateAt, type LearningRate } from './learning-rate.js';
import type { Probe } from './probe.js';

/** Options that every optimizer takes. */
export type CommonOptions = {
  /** A number in [0, Infinity), a schedule, or a function of the step. */
  readonly learningRate: LearningRate;
  /** In [0, Infinity); applies to variables of rank 2 and up unless a group says otherwise. */
  readonly weightDecay?: number;
  /** Settings of their own for some variables. */
  readonly groups?: readonly Group[];
  /** Scales all gradients of a step by min(1, clipNorm / |g|), |g| the norm over all of them. Default: no clipping. */
  readonly clipNorm?: number;
  /** Reads how large each update was, for instance an `UpdateProbe` of `tfjs-warmup/probes`. Not saved. */
  readonly probe?: Probe;
  /** 'auto': fused kernels where the backend allows them. 'ops': tfjs operations everywhere. Default 'auto'. */
  readonly executor?: ExecutorChoice;
};

/** What sets one optimizer apart. */
export type Definition = {
  readonly weightDecay: number;
  /** True if weights are multiplied by 1 - learningRate * weightDecay, which must not turn their sign. */
  readonly decoupled: boolean;
  readonly hyperparameters: Readonly<Record<string, Hyperparameter>>;
  /** Numbers of a step for the rule's host that are no hyperparameters by themselves. */
  readonly numbers?: (step: number) => Readonly<Record<string, number>>;
  /** The rule of a variable; the same object for all variables that share it. */
  readonly rule: (settings: VariableSettings, layout: Layout) => Rule;
  /** The rule that at least one variable must get. */
  readonly expected?: Rule;
};

/** Every option with its default written out; the optimizer's own by name. */
export type Options = Omit<CommonOptions, 'weightDecay' | 'groups' | 'executor'> & Required<Pick<CommonOptions, 'weightDecay' | 'groups' | 'executor'>> & Readonly<Record<string, unknown>>;

const commonNames = ['learningRate', 'weightDecay', 'groups', 'clipNorm', 'probe', 'executor'] as const;

/** Writes out defaults; throws for an option that is unknown or out of range. */
export function completeOptions(owner: string, { weightDecay, hyperparameters }: Definition, options: CommonOptions): Options {
  checkNames(owner, options, [...commonNames, ...Object.keys(hyperparameters)]);
  const given = Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined));
  const defaults = Object.fromEntries(Object.entries(hyperparameters).map(([name, { default: value }]) => [name, value]));
  const all: Record<string, unknown> = { weightDecay, groups: [], executor: 'auto', ...defaults, ...given };
  checkRate(owner, 'learningRate', all.learningRate);
  checkNumber(owner, 'weightDecay', all.weightDecay, '[0, Infinity)');
  checkGroups(owner, all.groups);
  if (all.clipNorm !== undefined) checkNumber(owner, 'clipNorm', all.clipNorm, '(0, Infinity)');
  check(all.executor === 'auto' || all.executor === 'ops', owner, 'executor', "be 'auto' or 'ops'", all.executor);
  check(all.probe === undefined || typeof (all.probe as Probe | null)?.attach === 'function', owner, 'probe', 'be a probe, such as an UpdateProbe', all.probe);
  for (const [name, hyperparameter] of Object.entries(hyperparameters)) {
    if (all[name] !== undefined) hyperparameter.check(owner, name, all[name]);
  }
  return Object.freeze(all) as Options;
}

/** The optimizer's own options as numbers, for a step. */
export function numbersAt(owner: string, { hyperparameters, numbers }: Definition, options: Options, step: number): Record<string, number> {
  const own = Object.entries(hyperparameters).flatMap(([name, { scheduled }]) => {
    const value = options[name];
    if (value === undefined || typeof value === 'string' || typeof value === 'object' || (typeof value === 'function' && !scheduled)) return [];
    return [[name, scheduled ? rateAt(owner, name, value as LearningRate, step) : Number(value)] as const];
  });
  return { ...Object.fromEntries(own), ...numbers?.(step) };
}

/** Options as plain JSON. */
export function configOf(owner: string, options: Options): serialization.ConfigDict {
  const { groups, probe: _, ...rest } = options;
  const config = Object.fromEntries(Object.entries(rest).map(([name, value]) => [name, optionConfig(owner, name, value)]));
  return { ...config, groups: groupsConfig(groups) } as unknown as serialization.ConfigDict;
}

/** Options from plain JSON. */
export function optionsFrom(owner: string, config: serialization.ConfigDict): Record<string, unknown> {
  // tfjs-layers adds customObjects to every config that it loads.
  const { groups, customObjects: _, ...rest } = config as Record<string, unknown>;
  const options = Object.fromEntries(Object.entries(rest).map(([name, value]) => [name, optionFromConfig(owner, name, value)]));
  return { ...options, groups: groupsFromConfig(groups as Parameters<typeof groupsFromConfig>[0]) };
}
