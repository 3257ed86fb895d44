/** An update rule as its author writes it, and the outputs that the compiler makes of it. */
import { mapValues } from '../map-values.js';
import {
  equal,
  input,
  scalar,
  select,
  type DeviceDomain,
  type Expression,
  type Operand,
} from './expression.js';

/**
 * What the host knows of one variable at one step; a rule's own hyperparameters stand beside these.
 */
export type HostValues = {
  /** The scheduled rate, already multiplied by the group's scale. */
  readonly learningRate: number;
  /** The group's decay; 0 for variables that do not decay. */
  readonly weightDecay: number;
  /** Updates that this variable has had before this one. */
  readonly count: number;
  /** The optimizer's steps before this one. */
  readonly step: number;
  readonly size: number;
  readonly neurons: number;
  readonly fanIn: number;
  readonly [hyperparameter: string]: number;
};

/** Named expressions: the weight `w`, the gradient `g` and the slots. */
export type Values = Readonly<Record<string, Expression>>;

/**
 * What a rule returns: new values for `w` and for slots. A slot that is left out keeps its value.
 */
export type NewValues = Readonly<Record<string, Operand>>;

/** What the optimizer knows a slot to be; probes look for these. */
export type Roles = {
  readonly momentum?: string;
  /**
   * The hyperparameter by which the momentum decays, if the momentum is a running mean of the
   * gradient.
   */
  readonly momentumDecay?: string;
  readonly secondMoment?: string;
  /** The norm that a rotational rule keeps. */
  readonly norm?: string;
};

export type RuleOptions<Slot extends string = string> = {
  /** Letters and digits. */
  readonly name: string;
  /** What is kept between steps, and what each value varies over. */
  readonly slots?: Readonly<Record<Slot, DeviceDomain>>;
  readonly roles?: Roles;
  /**
   * New values for the weight and for slots, once, before the first forward pass; the scalars are
   * `size`, `neurons` and `fanIn`.
   */
  readonly prepare?: (values: { readonly w: Expression }, scalars: Values) => NewValues;
  /** Slots that start as standard normal numbers; all others start as 0. */
  readonly random?: readonly NoInfer<Slot>[];
  /** Replaces slot values at a variable's first update. */
  readonly initial?: (
    values: { readonly w: Expression; readonly g: Expression } & Readonly<Record<Slot, Expression>>,
    scalars: Values,
  ) => NewValues;
  /** Computes the scalars of a step in double precision. */
  readonly host?: (values: HostValues) => Readonly<Record<string, number>>;
  /** The rule itself. */
  readonly update: (
    values: { readonly w: Expression; readonly g: Expression } & Readonly<Record<Slot, Expression>>,
    scalars: Values,
  ) => NewValues;
};

export type Rule = Required<Pick<RuleOptions, 'slots' | 'roles'>> & RuleOptions;

/** A rule with what its author may leave out. */
export const makeRule = <Slot extends string = never>(options: RuleOptions<Slot>): Rule =>
  ({ slots: {}, roles: {}, ...options }) as unknown as Rule;

/** Cannot be the name of a rule's scalar. */
export const COUNT = '#count';

/** Hands out a host scalar for every name that a rule asks for. */
const scalarsOf = (): Values => new Proxy({}, { get: (_, name: string) => scalar(name) });

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
export function updateOf(rule: Rule, gradient: Expression): { before: Values; after: NewValues } {
  const scalars = scalarsOf();
  const before: Record<string, Expression> = { ...inputsOf(rule), g: gradient };
  const initial: NewValues = rule.initial?.(before as Parameters<Rule['update']>[0], scalars) ?? {};
  for (const [slot, value] of Object.entries(initial))
    before[slot] = select(equal(scalar(COUNT), 0), value, before[slot]);
  const after = rule.update(before as Parameters<Rule['update']>[0], scalars);
  // A slot that has an initial value and no other must keep it past the first step.
  return { before, after: { ...mapValues(initial, (_, slot) => before[slot]), ...after } };
}

/** The new values of a rule's preparation. */
export const preparationOf = (rule: Rule): NewValues | undefined =>
  rule.prepare?.({ w: inputsOf(rule).w }, scalarsOf());

/** Every scalar that the rule's expressions may ask for. */
export function hostScalars(rule: Rule, values: HostValues): Readonly<Record<string, number>> {
  const scalars = rule.host ? rule.host(values) : values;
  return rule.initial ? { ...scalars, [COUNT]: values.count } : scalars;
}
