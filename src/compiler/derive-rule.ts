/** Rules that are made of other rules. */
import { check, checkNames } from '../check.js';
import { mapValues } from '../map-values.js';
import type { Option } from '../schema.js';
import { defineRule } from './define-rule.js';
import { asExpression, type DeviceDomain, type Operand } from './expression.js';
import type {
  HostValues,
  Hyperparameter,
  InputName,
  NewValues,
  OnlyDeclared,
  Roles,
  Rule,
  RuleOptions,
  Values,
} from './rule.js';

/** What a derived rule adds to the rule that it is made of, and what it replaces. */
export type DeriveRuleOptions<
  Slot extends string = string,
  Hyper extends string = string,
  Scalar extends string = string,
  NewSlot extends string = never,
  NewHyper extends string = never,
  NewScalar extends string = never,
> = {
  /** Letters and digits. @defaultValue 'derived' before the name of the inner rule */
  readonly name?: string;
  /** Slots beside those of the inner rule. */
  readonly slots?: Readonly<Record<NewSlot, DeviceDomain>>;
  /** Hyperparameters beside those of the inner rule. */
  readonly hyperparameters?: Readonly<Record<NewHyper, Hyperparameter>>;
  /** Roles beside those of the inner rule, or in their place. */
  readonly roles?: Roles;
  /**
   * Scalars beside those of the inner rule. One that has the name of an inner scalar takes its
   * place in the inner rule, too.
   */
  host?(
    values: HostValues<NoInfer<Hyper | NewHyper>>,
    innerScalars: Readonly<Record<NoInfer<Scalar>, number>>,
  ): Readonly<Record<NewScalar, number>>;
  /**
   * New values that replace those of the inner rule. `next` has the inner rule's new weight and
   * slots.
   */
  update(
    values: Values<InputName<NoInfer<Slot | NewSlot>>>,
    scalars: Values<NoInfer<Scalar | NewScalar>>,
    next: Values<'w' | NoInfer<Slot>>,
  ): NewValues<'w' | NoInfer<Slot | NewSlot>>;
};

const capitalize = (text: string): string => text[0].toUpperCase() + text.slice(1);

/** The name of a rule that a transform makes of another: nesterov and adamW give nesterovAdamW. */
export const derivedName = (transform: string, { name }: Rule): string =>
  `${transform}${capitalize(name)}`;

/** The parts of a derived rule, not checked; for the transforms of this library. */
export function derivedParts<Declared extends Hyperparameter = Option>(
  inner: Rule,
  options: Omit<DeriveRuleOptions<string, string, string, string, string, string>, 'name'> & {
    readonly name: string;
    readonly hyperparameters?: Readonly<Record<string, Declared>>;
  },
) {
  const { name, slots, hyperparameters, roles, host, update } = options;
  return {
    ...inner,
    name,
    slots: { ...inner.slots, ...slots },
    roles: { ...inner.roles, ...roles },
    hyperparameters: { ...inner.hyperparameters, ...hyperparameters },
    host(values: HostValues): Readonly<Record<string, number>> {
      const scalars = inner.host ? inner.host(values) : values;
      return { ...scalars, ...host?.(values, scalars) };
    },
    update(values: Values, scalars: Values) {
      const after = inner.update(values, scalars) as Record<string, Operand>;
      const next = { ...values, ...mapValues(after, asExpression) };
      return { ...after, ...update(values, scalars, next) };
    },
  };
}

/**
 * Defines a rule that changes what another one does: the inner rule's update is computed first,
 * then `update` may replace any of its new values. Both become one kernel.
 *
 * Preparation, initial values, roles and hyperparameters are those of the inner rule.
 *
 * @param inner - The rule to change.
 * @param options - What is added and replaced; see `DeriveRuleOptions`.
 * @returns The derived rule, for `RuleOptimizer` or to derive from again.
 * @throws {Error} if `inner` is no rule, a slot is one of the inner rule's, and as `defineRule`
 * does.
 * @example
 * // AdamW whose weights stay between -1 and 1.
 * const bounded = deriveRule(adamW(), {
 *   name: 'boundedAdamW',
 *   hyperparameters: { bound: 1 },
 *   host: ({ bound }) => ({ bound }),
 *   update: (values, s, next) => ({
 *     w: maximum(neg(s.bound), minimum(s.bound, next.w)),
 *   }),
 * });
 * const optimizer = new RuleOptimizer({ rule: bounded, learningRate: 1e-3 });
 */
export function deriveRule<
  Slot extends string,
  Hyper extends string,
  Scalar extends string,
  NewSlot extends string = never,
  NewHyper extends string = never,
  NewScalar extends string = never,
  Result extends string = never,
>(
  inner: Rule<Slot, Hyper, Scalar>,
  options: DeriveRuleOptions<Slot, Hyper, Scalar, NewSlot, NewHyper, NewScalar> &
    OnlyDeclared<'w' | Slot | NewSlot, Result>,
): Rule<Slot | NewSlot, Hyper | NewHyper, Scalar | NewScalar>;
export function deriveRule(
  inner: Rule,
  options: DeriveRuleOptions<string, string, string, string, string, string>,
): Rule {
  check(
    typeof inner?.update === 'function' && typeof inner.slots === 'object',
    'deriveRule',
    'rule',
    'be what defineRule gave',
    inner,
  );
  const optionNames = ['name', 'slots', 'hyperparameters', 'roles', 'host', 'update'];
  checkNames('deriveRule', options, optionNames);
  const { name = derivedName('derived', inner), slots = {}, update } = options;
  check(typeof update === 'function', `rule ${name}`, 'update', 'be a function', update);
  for (const slot of Object.keys(slots)) {
    const isNew = !Object.hasOwn(inner.slots, slot);
    check(isNew, `rule ${name}`, 'slots', `have other names than those of ${inner.name}`, slot);
  }
  const parts = derivedParts<Hyperparameter>(inner, { ...options, name });
  return defineRule(parts as RuleOptions<string, string, string>);
}
