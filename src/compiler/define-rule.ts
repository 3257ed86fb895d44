/**
 * Update rules as users write them: checked, since an error in one would show far from its cause.
 */
import { check, checkNames } from '../check.js';
import { makeRule, type NewValues, type Rule, type RuleOptions } from './rule.js';

const isName = (text: unknown): boolean =>
  typeof text === 'string' && /^[a-zA-Z][a-zA-Z0-9]*$/.test(text);

/**
 * Defines an update rule, once, for every backend.
 *
 * @example
 * const signDescent = defineRule({
 *   name: 'signDescent',
 *   slots: { m: 'element' },
 *   host: ({ learningRate, beta }) => ({ learningRate, beta }),
 *   update: ({ w, g, m }, s) => {
 *     const next = ema(m, g, s.beta);
 *     return { w: sub(w, mul(s.learningRate, sign(next))), m: next };
 *   },
 * });
 * @throws if the name or a slot's name is not made of letters and digits, or a slot's domain is
 * unknown.
 */
export function defineRule<Slot extends string = never>(options: RuleOptions<Slot>): Rule {
  checkNames('defineRule', options, [
    'name',
    'slots',
    'roles',
    'prepare',
    'random',
    'initial',
    'host',
    'update',
  ]);
  const { name, slots = {}, roles = {} } = options;
  check(isName(name), 'defineRule', 'name', 'be letters and digits', name);
  const label = `rule ${name}`;
  for (const [slot, domain] of Object.entries(slots)) {
    check(
      isName(slot) && !['w', 'g', 'count'].includes(slot),
      label,
      'slots',
      "be named with letters and digits, and not 'w', 'g' or 'count'",
      slot,
    );
    check(
      ['element', 'neuron', 'tensor'].includes(domain as string),
      label,
      `slots.${slot}`,
      "be 'element', 'neuron' or 'tensor'",
      domain,
    );
  }
  for (const [role, slot] of Object.entries(roles))
    if (role !== 'momentumDecay')
      check(Object.hasOwn(slots, slot), label, `roles.${role}`, 'name a slot', slot);
  for (const slot of options.random ?? [])
    check(Object.hasOwn(slots, slot), label, 'random', 'name slots', slot);
  check(typeof options.update === 'function', label, 'update', 'be a function', options.update);
  /**
   * The same part of the rule; throws where it gives a value to anything but slots and, where that
   * is allowed, the weight.
   */
  const checked = <Given extends readonly unknown[]>(
    part: string,
    make: ((...given: Given) => NewValues) | undefined,
    weight: boolean,
  ) =>
    make &&
    ((...given: Given): NewValues => {
      const values = make(...given);
      for (const target of Object.keys(values)) {
        check(
          Object.hasOwn(slots, target) || (weight && target === 'w'),
          label,
          part,
          `give ${weight ? 'w and ' : ''}slots only`,
          target,
        );
      }
      return values;
    });
  return makeRule({
    ...options,
    slots: slots as RuleOptions<Slot>['slots'],
    roles,
    prepare: checked('prepare', options.prepare, true),
    initial: checked('initial', options.initial, false),
    update: checked('update', options.update, true)!,
  });
}
