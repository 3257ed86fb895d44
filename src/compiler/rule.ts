/** An update rule as its author writes it, and the outputs that the compiler makes of it. */
import { mapValues } from '../map-values.js';
import type { Option } from '../schema.js';
import {
  equal,
  input,
  scalar,
  select,
  type DeviceDomain,
  type Expression,
  type Operand,
} from './expression.js';

/** What the host of every rule is given for one variable at one step. */
export type CommonHostValues = {
  /** The scheduled rate, already multiplied by the group's scale. */
  readonly learningRate: number;
  /** The group's decay; 0 for variables that do not decay. */
  readonly weightDecay: number;
  /** Updates that this variable has had before this one. */
  readonly count: number;
  /** The optimizer's steps before this one. */
  readonly step: number;
  /** Elements of the variable. */
  readonly size: number;
  /** Neurons of the variable. */
  readonly neurons: number;
  /** Elements of one neuron. */
  readonly fanIn: number;
};

/** Names of `CommonHostValues`; no hyperparameter can have one of them. */
export type CommonHostName = keyof CommonHostValues;

/** What is known of a variable before its first step. */
export type LayoutName = 'size' | 'neurons' | 'fanIn';

/** The names of `CommonHostValues` at run time; the type makes sure that none is forgotten. */
export const commonHostNames: readonly string[] = /* @__PURE__ */ Object.keys({
  learningRate: true,
  weightDecay: true,
  count: true,
  step: true,
  size: true,
  neurons: true,
  fanIn: true,
} satisfies Record<CommonHostName, true>);

/** What a rule's host is given: the common values, and the rule's hyperparameters as numbers. */
export type HostValues<Hyper extends string = string> = CommonHostValues &
  Readonly<Record<Hyper, number>>;

/** Named expressions. */
export type Values<Name extends string = string> = Readonly<Record<Name, Expression>>;

/** The names of the weight, the gradient and the slots of a rule. */
export type InputName<Slot extends string> = 'w' | 'g' | Slot;

/**
 * What a rule returns: new values for `w` and for slots. A slot that is left out keeps its value.
 */
export type NewValues<Name extends string = string> = Readonly<Partial<Record<Name, Operand>>>;

/**
 * Compiles only if `update` returns values for declared names. An excess name in what a function
 * returns would pass otherwise.
 */
export type OnlyDeclared<Declared extends string, Result extends string> = {
  update(...given: never[]): Readonly<Partial<Record<Result, Operand>>>;
} & (string extends Result
  ? unknown
  : [Exclude<Result, Declared>] extends [never]
    ? unknown
    : { readonly update: `there is no slot called ${Exclude<Result, Declared>}` });

/** What probes and transforms of rules look for. */
export type Roles = {
  /** The slot of the momentum. */
  readonly momentum?: string;
  /**
   * The hyperparameter by which the momentum decays, if the momentum is a running mean of the
   * gradient.
   */
  readonly momentumDecay?: string;
  /** True if the step divides the momentum by 1 - momentumDecay^t, t = 1, 2, ... */
  readonly momentumCorrected?: boolean;
  /** The slot of the running mean of squared gradients. */
  readonly secondMoment?: string;
  /** The slot of the norm that a rotational rule keeps. */
  readonly norm?: string;
};

/** What `RuleOptions`, `RuleParts` and `Rule` have in common. */
export type RuleBody<Slot extends string, Hyper extends string, Scalar extends string> = {
  /** Letters and digits. Saved models find the rule by it. */
  readonly name: string;
  /** Slots that start as standard normal numbers; all others start as 0. */
  readonly random?: readonly NoInfer<Slot>[];
  /** True if weights are multiplied by 1 - learningRate * weightDecay in each step. */
  readonly decoupled?: boolean;
  // Methods, so that a rule with known names passes for a rule with any.
  /** Computes the scalars of a step in double precision. Without it they are the host values. */
  host?(values: HostValues<NoInfer<Hyper>>): Readonly<Record<Scalar, number>>;
  /** New values for the weight and for slots, once, before the first forward pass. */
  prepare?(values: Values<'w'>, scalars: Values<LayoutName>): NewValues<'w' | NoInfer<Slot>>;
  /** Replaces slot values at a variable's first update. */
  initial?(
    values: Values<InputName<NoInfer<Slot>>>,
    scalars: Values<NoInfer<Scalar>>,
  ): NewValues<NoInfer<Slot>>;
  /** The rule itself. */
  update(
    values: Values<InputName<NoInfer<Slot>>>,
    scalars: Values<NoInfer<Scalar>>,
  ): NewValues<'w' | NoInfer<Slot>>;
};

/** A hyperparameter as users may declare it: its default, or both its default and its range. */
export type Hyperparameter =
  | number
  | {
      /** Without it, the hyperparameter must be given to the optimizer. */
      readonly default?: number;
      /** What is allowed, written as in mathematics: '[0, 1)'. @defaultValue any finite number */
      readonly range?: string;
    }
  | Option;

/**
 * What `defineRule` takes. The types check the names of slots, hyperparameters and scalars.
 *
 * TypeScript reads an object from top to bottom: write `host` before `initial` and `update`, which
 * see the scalars that it returns.
 */
export type RuleOptions<
  Slot extends string = never,
  Hyper extends string = never,
  Scalar extends string = CommonHostName | Hyper,
> = RuleBody<Slot, Hyper, Scalar> & {
  /** What is kept between steps, and what each value varies over. */
  readonly slots?: Readonly<Record<Slot, DeviceDomain>>;
  readonly roles?: Roles;
  /** Numbers for `host`, which an optimizer takes as options. */
  readonly hyperparameters?: Readonly<Record<Hyper, Hyperparameter>>;
};

/** What `makeRule` takes: as `RuleOptions`, with hyperparameters as in a table of options. */
export type RuleParts<Slot extends string, Hyper extends string, Scalar extends string> = RuleBody<
  Slot,
  Hyper,
  Scalar
> & {
  readonly slots?: Readonly<Record<Slot, DeviceDomain>>;
  readonly roles?: Roles;
  readonly hyperparameters?: Readonly<Record<Hyper, Option>>;
};

/** A rule with everything written out. Without type arguments: a rule with any names. */
export type Rule<
  Slot extends string = string,
  Hyper extends string = string,
  Scalar extends string = string,
> = RuleBody<Slot, Hyper, Scalar> & {
  readonly slots: Readonly<Record<Slot, DeviceDomain>>;
  readonly roles: Roles;
  /** Empty if the rule does not say which it has. */
  readonly hyperparameters: Readonly<Record<Hyper, Option>>;
};

/** A rule of this library: not checked at run time, unlike what `defineRule` makes. */
export const makeRule = <
  Slot extends string = never,
  Hyper extends string = never,
  Scalar extends string = CommonHostName | Hyper,
>(
  parts: RuleParts<Slot, Hyper, Scalar>,
): Rule<Slot, Hyper, Scalar> =>
  ({ slots: {}, roles: {}, hyperparameters: {}, ...parts }) as Rule<Slot, Hyper, Scalar>;

/** Cannot be the name of a rule's scalar. */
export const COUNT = '#count';

/** Gives a host scalar for every name that a rule asks for. */
const anyScalar: Values = /* @__PURE__ */ new Proxy({}, { get: (_, name: string) => scalar(name) });

/** The rule's inputs as expressions. */
export const inputsOf = (rule: Rule): Values => ({
  w: input('w', 'element'),
  g: input('g', 'element'),
  ...mapValues(rule.slots, (domain, slot) => input(slot, domain)),
});

/**
 * The new values of a rule's update, for a gradient that may already be scaled by the step-wide
 * stage.
 */
export function updateOf(
  rule: Rule,
  gradient: Expression,
): { before: Values; after: Record<string, Operand> } {
  const before: Record<string, Expression> = { ...inputsOf(rule), g: gradient };
  const initial = { ...rule.initial?.(before, anyScalar) } as Record<string, Operand>;
  for (const [slot, value] of Object.entries(initial))
    before[slot] = select(equal(scalar(COUNT), 0), value, before[slot]);
  const after = rule.update(before, anyScalar) as Record<string, Operand>;
  // A slot that has an initial value and no other must keep it past the first step.
  return { before, after: { ...mapValues(initial, (_, slot) => before[slot]), ...after } };
}

/** The new values of a rule's preparation. */
export const preparationOf = (rule: Rule): Record<string, Operand> | undefined =>
  rule.prepare?.({ w: inputsOf(rule).w }, anyScalar) as Record<string, Operand> | undefined;

/** Every scalar that the rule's expressions may ask for. */
export function hostScalars(rule: Rule, values: HostValues): Readonly<Record<string, number>> {
  const scalars = rule.host ? rule.host(values) : values;
  return rule.initial ? { ...scalars, [COUNT]: values.count } : scalars;
}
