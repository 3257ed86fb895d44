/** Options as a table: of each name the default and what is allowed. */
import { checkNames, isWithin, optionOf, show } from './check.js';

export type Option = {
  /** undefined where an option is off unless given. */
  readonly default?: unknown;
  /** True if it must be given. */
  readonly required?: boolean;
  /** What an error says after "must". */
  readonly allowed: string;
  readonly accepts: (value: unknown) => boolean;
  /** Text of a value that is not accepted, for the error; by default that of `show`. */
  readonly describe?: (value: unknown) => string;
};

export type Schema = Readonly<Record<string, Option>>;

/** A number in an interval, written as in mathematics. */
export const within = (interval: string, value?: number): Option => ({
  default: value,
  allowed: `lie in ${interval}`,
  accepts: (given) => isWithin(given, interval),
});

/**
 * A number in an interval that kernels get: in that interval must lie, too, what float32 makes of
 * it.
 */
export function float32Within(interval: string, value?: number): Option {
  const option = within(interval, value);
  return {
    ...option,
    accepts: (given) => option.accepts(given) && isWithin(Math.fround(given as number), interval),
    describe: (given) =>
      option.accepts(given)
        ? `${given as number}, which is ${Math.fround(given as number)} in float32`
        : show(given),
  };
}

export const flag = (value?: boolean): Option => ({
  default: value,
  allowed: 'be true or false',
  accepts: (given) => typeof given === 'boolean',
});

/** One of these names, by default the first. */
export const oneOf = (...names: readonly string[]): Option => ({
  default: names[0],
  allowed: `be one of ${names.map((name) => `'${name}'`).join(', ')}`,
  accepts: (given) => names.includes(given as string),
});

/** A decay rate of a running mean. */
export const beta = (value: number): Option => within('[0, 1)', value);

/** Throws for a value that an option does not accept. */
export function checkOption(
  label: string,
  name: string,
  { allowed, accepts, describe = show }: Option,
  value: unknown,
): void {
  if (!accepts(value)) throw new Error(`${label}: ${name} must ${allowed}, got ${describe(value)}`);
}

/**
 * The options that are given or have a default; throws for a name or a value that is not allowed.
 */
export function parseOptions(
  label: string,
  schema: Schema,
  given: unknown,
): Record<string, unknown> {
  checkNames(label, given, Object.keys(schema));
  const options: Record<string, unknown> = {};
  for (const [name, option] of Object.entries(schema)) {
    const found = optionOf(given as object, name);
    const value = found === undefined ? option.default : found;
    if (value === undefined && !option.required) continue;
    checkOption(label, name, option, value);
    options[name] = value;
  }
  return options;
}

/** The same option, which must be given. */
export const required = (option: Option): Option => ({ ...option, required: true });

/** A whole number of at least `least`. */
export const count = (least: number, value?: number): Option => ({
  default: value,
  allowed: `be a whole number of at least ${least}`,
  accepts: (given) => Number.isSafeInteger(given) && (given as number) >= least,
});

/** True for a list of items that are all accepted; a hole is undefined. */
export function isListOf(given: unknown, accepts: (item: unknown) => boolean): boolean {
  if (!Array.isArray(given)) return false;
  // Ends at the first hole of a list whose length alone is large.
  for (const item of given) if (!accepts(item)) return false;
  return true;
}

/** Names of variables. */
export const variableNames = (value?: readonly string[]): Option => ({
  default: value,
  allowed: 'be a list of variable names',
  accepts: (given) => isListOf(given, (name) => typeof name === 'string'),
});
