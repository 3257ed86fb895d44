/** Options: those that all optimizers take, and how an optimizer says what sets it apart. */
import type { serialization } from '@tensorflow/tfjs-core';
import type { Layout } from '../compiler/layout.js';
import type { Rule } from '../compiler/rule.js';
import type { ExecutorChoice } from '../executors/choose.js';
import { mapValues } from '../map-values.js';
import type { VariableState } from './variable-state.js';
import {
  completeGroups,
  groupsConfig,
  groupsFromConfig,
  type Group,
  type VariableSettings,
} from './groups.js';
import { rate, type LearningRate } from './learning-rate.js';
import type { Probe } from './probe.js';
import { fromConfig, toConfig } from './saving.js';
import { parseOptions, oneOf, within, type Schema } from '../schema.js';

/** Options that every optimizer takes. */
export type CommonOptions = {
  /** A number in [0, Infinity), a schedule, or a function of the step. */
  readonly learningRate: LearningRate;
  /** In [0, Infinity); applies to variables of rank 2 and up unless a group says otherwise. */
  readonly weightDecay?: number;
  /** Settings of their own for some variables. */
  readonly groups?: readonly Group[];
  /**
   * Scales all gradients of a step by min(1, clipNorm / |g|), |g| the norm over all of them.
   * Default: no clipping.
   */
  readonly clipNorm?: number;
  /**
   * Reads how large each update was, for instance an `UpdateProbe` of `tfjs-warmup/probes`. Not
   * saved.
   */
  readonly probe?: Probe;
  /**
   * 'auto': fused kernels where the backend allows them. 'ops': tfjs operations everywhere. Default
   * 'auto'.
   */
  readonly executor?: ExecutorChoice;
};

/** Every option that is given or has a default; the optimizer's own by name. */
export type Options = CommonOptions &
  Required<Pick<CommonOptions, 'weightDecay' | 'groups' | 'executor'>> &
  Readonly<Record<string, unknown>>;

/** Turning weight vectors by chosen angles: by which rule, and which variables. */
export type Rotation = {
  readonly rule: Rule;
  readonly applies: (settings: VariableSettings, layout: Layout) => boolean;
};

/** What sets one optimizer apart. */
export type Definition = {
  /** The default. */
  readonly weightDecay: number;
  /**
   * True if weights are multiplied by 1 - learningRate * weightDecay, which must not turn their
   * sign.
   */
  readonly decoupled: boolean;
  /** Its own options; the rule's host gets them as numbers. */
  readonly hyperparameters: Schema;
  // As methods, so that an optimizer may name the types of its own options.
  rule(options: Options): Rule;
  rotation?(options: Options): Rotation;
  /** What the host gets beside these, or in their place, at a step. */
  numbers?(options: Options, step: number): Readonly<Record<string, number>> | undefined;
  /** Throws if the optimizer can do nothing for the variables of its first step. */
  checkFirst?(entries: readonly VariableState[]): void;
};

/** The options that every optimizer takes; the default of weightDecay is each optimizer's own. */
export const commonSchema = {
  learningRate: { ...rate, required: true },
  weightDecay: /* @__PURE__ */ within('[0, Infinity)'),
  groups: { default: [], allowed: 'be an array of groups', accepts: Array.isArray },
  clipNorm: /* @__PURE__ */ within('(0, Infinity)'),
  probe: {
    allowed: 'be a probe, such as an UpdateProbe',
    accepts: (probe: unknown) => typeof (probe as Probe | null)?.attach === 'function',
  },
  executor: /* @__PURE__ */ oneOf('auto', 'ops'),
};

/** Writes out defaults; throws for an option that is unknown or out of range. */
export function completeOptions(
  label: string,
  { weightDecay, hyperparameters }: Definition,
  given: CommonOptions,
): Options {
  const options = parseOptions(
    label,
    {
      ...commonSchema,
      weightDecay: { ...commonSchema.weightDecay, default: weightDecay },
      ...hyperparameters,
    },
    given,
  ) as Options;
  return Object.freeze({ ...options, groups: completeGroups(label, options.groups) });
}

/** Options as plain JSON. */
export function configOf(label: string, options: Options): serialization.ConfigDict {
  const { groups, probe: _, ...rest } = options;
  return {
    ...mapValues(rest, (value, name) => toConfig(label, name, value)),
    groups: groupsConfig(groups),
  } as unknown as serialization.ConfigDict;
}

/** Options from plain JSON. */
export function optionsFrom(
  label: string,
  config: serialization.ConfigDict,
): Record<string, unknown> {
  // tfjs-layers adds customObjects to every config that it loads.
  const { groups = [], customObjects: _, ...rest } = config;
  return {
    ...mapValues(rest, (value, name) => fromConfig(label, name, value)),
    groups: groupsFromConfig(groups as unknown as ReturnType<typeof groupsConfig>),
  };
}
