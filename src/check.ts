/**
 * Option checks shared by schedules, optimizers and probes: each error names the option, the value
 * and what is allowed.
 */

const fail: (message: string) => never = (message) => {
  throw new Error(message);
};

/**
 * Text of a value that is no list. An object shows its class: its own text may be missing, throw,
 * or look like a number.
 */
const showOne = (value: any): string => {
  if (typeof value === 'string') return `'${value}'`;
  if (typeof value === 'function') return 'a function';
  return Object(value) === value ? `[object ${value.constructor?.name}]` : String(value);
};

/** Throws as {@link check} does, but shows nothing of a list: for the smallest bundles. */
export const refuse: (label: string, option: string, allowed: string, value: unknown) => never = (
  label,
  option,
  allowed,
  value,
) => fail(`${label}: ${option} must ${allowed}, got ${showOne(value)}`);

/** How much an error message shows of a list. */
const longestList = 100;

function showWithin(value: unknown, depth: number): string {
  if (!Array.isArray(value)) return showOne(value);
  if (depth === 0) return '[...]';
  const items = value.slice(0, longestList).map((item) => showWithin(item, depth - 1));
  return `[${items}${value.length > longestList ? ',...' : ''}]`;
}

/** Text of a value for an error message: never throws, and is short even of a cyclic list. */
export function show(value: unknown): string {
  try {
    return showWithin(value, 2);
  } catch {
    // An accessor or a proxy may throw whatever it likes.
    return 'an object that cannot be read';
  }
}

/** Throws unless `valid`: "AdamW: beta2 must lie in [0, 1), got 1.2". */
export function check(
  valid: boolean,
  label: string,
  option: string,
  allowed: string,
  value: unknown,
): asserts valid {
  if (!valid) fail(`${label}: ${option} must ${allowed}, got ${show(value)}`);
}

/** True for a finite number in an interval, written as in mathematics: `'[0, 1)'`. */
export function isWithin(value: unknown, interval: string): value is number {
  const [low, high] = interval.slice(1, -1).split(',').map(Number);
  const number = value as number;
  return (
    Number.isFinite(value) &&
    (interval[0] === '[' ? number >= low : number > low) &&
    (interval.at(-1) === ']' ? number <= high : number < high)
  );
}

/** Throws unless `value` is a finite number in the interval. */
export function checkNumber(
  label: string,
  option: string,
  value: unknown,
  interval: string,
): asserts value is number {
  if (!isWithin(value, interval)) refuse(label, option, `lie in ${interval}`, value);
}

/** Throws for a number that float32, in which tensors compute, would make 0 or infinite. */
export function checkFloat32(label: string, option: string, value: number): void {
  const rounded = Math.fround(value);
  if (!Number.isFinite(rounded) || (rounded === 0 && value !== 0))
    refuse(label, option, 'be 0 or have a magnitude from 1.5e-45 to 3.4e38, for float32', value);
}

/** Throws unless `value` is a whole number of at least `least`. */
export function checkCount(
  label: string,
  option: string,
  value: unknown,
  least = 0,
): asserts value is number {
  if (!(Number.isSafeInteger(value) && (value as number) >= least))
    refuse(label, option, `be a whole number of at least ${least}`, value);
}

/**
 * Throws if `options` is not an object or has a name outside `names`: a misspelt option must not
 * pass for its default.
 */
export const checkNames: (label: string, options: unknown, names: readonly string[]) => void = (
  label,
  options: any,
  names,
) => {
  const list = names.join(', ');
  if (!(options && typeof options === 'object'))
    refuse(label, 'options', `be an object with ${list}`, options);
  Object.keys(options).forEach(
    (name) =>
      names.includes(name) || fail(`${label}: unknown option '${name}', allowed are ${list}`),
  );
};

/**
 * The value of an option: the object's own, or what its class has an accessor for. What every
 * object inherits, such as `constructor`, is no option.
 */
export const optionOf = (options: object, name: string): unknown =>
  name in Object.prototype && !Object.hasOwn(options, name)
    ? undefined
    : (options as Record<string, unknown>)[name];
