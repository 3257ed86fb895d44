/**
 * Update rules as users write them: checked, since an error in one would show far from its cause.
 */
import { check, checkNames, isWithin, show } from '../check.js';
import { mapValues } from '../map-values.js';
import { within, type Option } from '../schema.js';
import type { DeviceDomain } from './expression.js';
import {
  commonHostNames,
  makeRule,
  type CommonHostName,
  type Hyperparameter,
  type OnlyDeclared,
  type Rule,
  type RuleOptions,
  type Values,
} from './rule.js';

const optionNames = [
  'name',
  'slots',
  'roles',
  'hyperparameters',
  'decoupled',
  'prepare',
  'random',
  'initial',
  'host',
  'update',
];

/** What a rule may ask for before a variable's first step. */
const layoutNames = ['size', 'neurons', 'fanIn'];

/** A number in parentheses or brackets, a comma, a number: '[0, 1)'. */
const intervalPattern = /^[[(] *-?[\d.eInfity+-]+ *, *-?[\d.eInfity+-]+ *[\])]$/;

const isName = (text: unknown): boolean =>
  typeof text === 'string' && /^[a-zA-Z][a-zA-Z0-9]*$/.test(text);

const isInterval = (text: unknown): boolean =>
  typeof text === 'string' &&
  intervalPattern.test(text) &&
  text
    .slice(1, -1)
    .split(',')
    .map(Number)
    .every((bound) => !Number.isNaN(bound));

function checkSlots(label: string, slots: Readonly<Record<string, unknown>>): void {
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
}

function checkRoles(label: string, options: RuleOptions): void {
  const { slots = {}, roles = {}, hyperparameters = {} } = options;
  const { momentumDecay, momentumCorrected = false } = roles;
  // A rule that declares no hyperparameters may have any, but a correction needs the very one.
  const isDeclared =
    momentumDecay === undefined
      ? !momentumCorrected
      : Object.hasOwn(hyperparameters, momentumDecay) || Object.keys(hyperparameters).length === 0;
  for (const [role, value] of Object.entries(roles)) {
    if (role === 'momentumCorrected')
      check(typeof value === 'boolean', label, `roles.${role}`, 'be true or false', value);
    else if (role !== 'momentumDecay')
      check(Object.hasOwn(slots, value as string), label, `roles.${role}`, 'name a slot', value);
  }
  check(isDeclared, label, 'roles.momentumDecay', 'name a declared hyperparameter', momentumDecay);
}

/** A declared hyperparameter as a row of a table of options. */
function toOption(label: string, name: string, declared: Hyperparameter): Option {
  const where = `hyperparameters.${name}`;
  check(
    isName(name) && !commonHostNames.includes(name),
    label,
    'hyperparameters',
    `be named with letters and digits, and not ${commonHostNames.join(', ')}`,
    name,
  );
  check(
    typeof declared === 'number' || (declared !== null && typeof declared === 'object'),
    label,
    where,
    'be a number, or an object with default and range',
    declared,
  );
  if (typeof declared === 'object' && 'accepts' in declared) return declared;
  const given = typeof declared === 'number' ? { default: declared } : declared;
  checkNames(`${label}: ${where}`, given, ['default', 'range']);
  const { default: usual, range = '(-Infinity, Infinity)' } = given;
  check(isInterval(range), label, `${where}.range`, "be an interval such as '[0, 1)'", range);
  check(
    usual === undefined || isWithin(usual, range),
    label,
    `${where}.default`,
    `lie in ${range}`,
    usual,
  );
  return within(range, usual);
}

/** Throws where a part of a rule gives a value to anything but these. */
function checkTargets(
  label: string,
  part: string,
  values: object,
  slots: object,
  weight: boolean,
): void {
  for (const target of Object.keys(values)) {
    check(
      Object.hasOwn(slots, target) || (weight && target === 'w'),
      label,
      part,
      `give ${weight ? 'w and ' : ''}slots only`,
      target,
    );
  }
}

/** The same scalars; tells of each name that is asked for. */
const watched = (scalars: Values, onAsked: (name: string) => void): Values =>
  new Proxy(scalars, {
    get(target, name: string) {
      onAsked(name);
      return target[name];
    },
  });

/** Throws unless a host has given a number for each of its scalars and for each that is needed. */
function checkScalars(
  label: string,
  scalars: Readonly<Record<string, unknown>>,
  names: Iterable<string>,
): void {
  for (const name of names) {
    const value = scalars[name];
    if (value === undefined)
      throw new Error(`${label}: the host gives no number called ${show(name)}`);
    check(
      typeof value === 'number' && !Number.isNaN(value),
      label,
      `the host's ${name}`,
      'be a number',
      value,
    );
  }
}

/**
 * Defines an update rule, once, for every backend.
 *
 * Slots are kept between steps. `host` computes the scalars of a step in double precision from
 * `learningRate`, `weightDecay`, `count`, `step`, `size`, `neurons`, `fanIn` and the rule's
 * hyperparameters; each is rounded to float32 once. `update` says in expressions what becomes of
 * the weight `w` and of the slots, given the gradient `g`.
 *
 * A name that is misspelt does not compile. For this the order counts: write `slots`,
 * `hyperparameters` and `host` above `initial` and `update`.
 *
 * @param options - The rule; see `RuleOptions`.
 * @returns The rule, for `RuleOptimizer`, `deriveRule`, `nesterov` and `cautious`.
 * @throws {Error} if a name is not made of letters and digits, a slot's domain is unknown, or a
 * hyperparameter's default is out of its range; at a step, if a part gives a value to something
 * that is no slot, or if `host` gives NaN or no number for a scalar.
 * @example
 * const signDescent = defineRule({
 *   name: 'signDescent',
 *   slots: { m: 'element' },
 *   hyperparameters: { beta: { default: 0.9, range: '[0, 1)' } },
 *   host: ({ learningRate, beta }) => ({ learningRate, beta }),
 *   update: ({ w, g, m }, s) => {
 *     const next = ema(m, g, s.beta);
 *     return { w: sub(w, mul(s.learningRate, sign(next))), m: next };
 *   },
 * });
 */
export function defineRule<
  Slot extends string = never,
  Hyper extends string = never,
  Scalar extends string = CommonHostName | Hyper,
  Result extends string = never,
>(
  options: RuleOptions<Slot, Hyper, Scalar> & OnlyDeclared<'w' | Slot, Result>,
): Rule<Slot, Hyper, Scalar> {
  checkOptions(options as unknown as RuleOptions);
  return makeRule(checkedParts(options as unknown as RuleOptions)) as unknown as Rule<
    Slot,
    Hyper,
    Scalar
  >;
}

const isObject = (value: unknown): boolean =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** Throws for a part that is given and of another type than it must be. */
function checkTypes(label: string, options: Readonly<Record<string, unknown>>): void {
  const { random = [] } = options;
  for (const part of ['slots', 'roles', 'hyperparameters']) {
    const value = options[part];
    check(value === undefined || isObject(value), label, part, 'be an object', value);
  }
  for (const part of ['host', 'prepare', 'initial']) {
    const value = options[part];
    check(value === undefined || typeof value === 'function', label, part, 'be a function', value);
  }
  check(Array.isArray(random), label, 'random', 'be a list of slots', random);
}

function checkOptions(options: RuleOptions): void {
  checkNames('defineRule', options, optionNames);
  const { name, slots = {}, decoupled = false, random = [], update } = options;
  check(isName(name), 'defineRule', 'name', 'be letters and digits', name);
  const label = `rule ${name}`;
  checkTypes(label, options);
  checkSlots(label, slots);
  checkRoles(label, options);
  check(typeof decoupled === 'boolean', label, 'decoupled', 'be true or false', decoupled);
  for (const slot of random) check(Object.hasOwn(slots, slot), label, 'random', 'name slots', slot);
  check(typeof update === 'function', label, 'update', 'be a function', update);
}

/** The parts of a rule, each of which checks what it gives and asks for. */
function checkedParts(options: RuleOptions<string, string, string>) {
  const { name, slots = {}, roles = {}, hyperparameters = {} } = options;
  const { host, prepare, initial, update } = options;
  const label = `rule ${name}`;
  /** Scalars that the update and the initial values have asked for. */
  const needed = new Set<string>();
  const need = (scalar: string) => void needed.add(scalar);
  const onlyLayout = (scalar: string): void =>
    check(
      layoutNames.includes(scalar),
      label,
      'prepare',
      `ask for no scalars but ${layoutNames.join(', ')}`,
      scalar,
    );
  return {
    ...options,
    slots: slots as Readonly<Record<string, DeviceDomain>>,
    roles,
    hyperparameters: mapValues(hyperparameters, (declared, hyperparameter) =>
      toOption(label, hyperparameter, declared),
    ),
    host(values: Parameters<NonNullable<typeof host>>[0]) {
      const scalars = host ? host(values) : values;
      const isObject = scalars !== null && typeof scalars === 'object';
      check(isObject, label, 'host', 'return an object of numbers', scalars);
      if (host) checkScalars(label, scalars, Object.keys(scalars));
      checkScalars(label, scalars, needed);
      return scalars;
    },
    prepare:
      prepare &&
      ((values: Values<'w'>, scalars: Values) => {
        const made = prepare(values, watched(scalars, onlyLayout));
        checkTargets(label, 'prepare', made, slots, true);
        return made;
      }),
    initial:
      initial &&
      ((values: Values, scalars: Values) => {
        const made = initial(values, watched(scalars, need));
        checkTargets(label, 'initial', made, slots, false);
        return made;
      }),
    update(values: Values, scalars: Values) {
      const made = update(values, watched(scalars, need));
      checkTargets(label, 'update', made, slots, true);
      return made;
    },
  };
}
