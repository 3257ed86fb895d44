/**
 * Option checks shared by schedules, optimizers and probes: each error names the option, the value
 * and what is allowed.
 */

/** Text of a value for an error message. */
export const show = (value: unknown): string => {
  if (typeof value === 'string') return `'${value}'`;
  if (typeof value === 'function') return 'a function';
  return Array.isArray(value) ? `[${value.map(show)}]` : `${value}`;
};

/** Throws unless `valid`: "AdamW: beta2 must lie in [0, 1), got 1.2". */
export function check(
  valid: boolean,
  label: string,
  option: string,
  allowed: string,
  value: unknown,
): asserts valid {
  if (!valid) throw new Error(`${label}: ${option} must ${allowed}, got ${show(value)}`);
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
  check(isWithin(value, interval), label, option, `lie in ${interval}`, value);
}

/** Throws unless `value` is a whole number of at least `least`. */
export function checkCount(
  label: string,
  option: string,
  value: unknown,
  least = 0,
): asserts value is number {
  check(
    Number.isSafeInteger(value) && (value as number) >= least,
    label,
    option,
    `be a whole number of at least ${least}`,
    value,
  );
}

/**
 * Throws if `options` is not an object or has a name outside `names`: a misspelt option must not
 * pass for its default.
 */
export function checkNames(label: string, options: unknown, names: readonly string[]): void {
  const list = names.join(', ');
  check(
    options !== null && typeof options === 'object',
    label,
    'options',
    `be an object with ${list}`,
    options,
  );
  for (const name of Object.keys(options as object)) {
    if (!names.includes(name))
      throw new Error(`${label}: unknown option ${show(name)}, allowed are ${list}`);
  }
}
