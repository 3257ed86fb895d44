/** Options that all optimizers take, and how an optimizer defines what sets it apart. */
import type { Layout } from '../compiler/layout.js';
import type { Rule } from '../compiler/rule.js';
import type { ExecutorChoice } from '../executors/choose.js';
import { float32Within, oneOf, parseOptions, type Schema } from '../schema.js';
import { parseGroups, type Group, type VariableSettings } from './groups.js';
import { rate, type LearningRate } from './learning-rate.js';
import type { Probe } from './probe.js';

/** Options that every optimizer takes. */
export type CommonOptions = {
  /** A number in [0, Infinity), a schedule, or a function of the step, which counts from 0. */
  readonly learningRate: LearningRate;
  /**
   * In [0, Infinity). Applies to variables of rank 2 and up unless a group says otherwise.
   * @defaultValue the optimizer's own
   */
  readonly weightDecay?: number;
  /**
   * Settings of their own for some variables.
   * @defaultValue []
   */
  readonly groups?: readonly Group[];
  /**
   * Scales all gradients of a step by min(1, clipNorm / |g|), |g| the norm over all of them; in (0,
   * Infinity).
   * @defaultValue no clipping
   */
  readonly clipNorm?: number;
  /**
   * Reads how large each update is, for instance an `UpdateProbe` of `tfjs-warmup/probes`. Not
   * saved.
   * @defaultValue no probe
   */
  readonly probe?: Probe;
  /**
   * 'auto': fused kernels where the backend allows them. 'ops': tfjs operations everywhere.
   * @defaultValue 'auto'
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
  /** Why a variable does not rotate; undefined if it does. */
  readonly obstacle: (settings: VariableSettings, layout: Layout) => string | undefined;
};

/** What sets one optimizer apart. */
export type Definition = {
  /** How errors name the optimizer; by default its class name. */
  readonly label?: string;
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
  rotation?(options: Options, label: string): Rotation;
  /** Host values of a step, beside the hyperparameters or in their place. */
  stepValues?(
    options: Options,
    step: number,
    label: string,
  ): Readonly<Record<string, number>> | undefined;
  /**
   * Host values of a step that a group's `learningRateScale` multiplies, as it does the learning
   * rate.
   */
  rates?(options: Options, step: number, label: string): Readonly<Record<string, number>>;
  /** Throws if the optimizer can do nothing for the variables of its first step. */
  checkFirst?(
    variables: readonly {
      readonly name: string;
      readonly settings: VariableSettings;
      readonly rule: Rule;
      /** Why it does not rotate. */
      readonly obstacle?: string | undefined;
    }[],
    label: string,
  ): void;
};

/** The options that every optimizer takes; each optimizer has its own default of the decay. */
export const commonSchema = {
  learningRate: { ...rate, required: true },
  weightDecay: /* @__PURE__ */ float32Within('[0, Infinity)'),
  groups: { default: [], allowed: 'be an array of groups', accepts: Array.isArray },
  clipNorm: /* @__PURE__ */ float32Within('(0, Infinity)'),
  probe: {
    allowed: 'be a probe, such as an UpdateProbe',
    accepts: (probe: unknown) => typeof (probe as Probe | null)?.attach === 'function',
  },
  executor: /* @__PURE__ */ oneOf('auto', 'ops'),
};

/** Fills in defaults; throws for an option that is unknown or out of range. */
export function completeOptions(
  label: string,
  { weightDecay, hyperparameters }: Definition,
  given: CommonOptions,
): Options {
  const parsed = parseOptions(label, { ...commonSchema, ...hyperparameters }, given);
  const groups = parseGroups(label, parsed.groups as readonly Group[]);
  return Object.freeze({ weightDecay, ...parsed, groups }) as unknown as Options;
}
