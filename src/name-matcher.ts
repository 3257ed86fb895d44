/** Which variables a name or a pattern means: one matcher for groups and probes. */
import { show } from './check.js';

/** A name without what tfjs appends to make it unique. */
export const baseName = (name: string): string => name.replace(/_\d+$/, '');

/**
 * True if `*` in the pattern can stand for texts that make it the name. The text between two stars
 * is taken where it first occurs, the last at the end, so that nothing is tried twice.
 */
export function isMatch(pattern: string, name: string): boolean {
  let end = 0;
  return pattern.split('*').every((part, i, { length }) => {
    const isLast = i === length - 1;
    const start = name.indexOf(part, isLast ? Math.max(end, name.length - part.length) : end);
    end = start + part.length;
    return i > 0 ? start >= 0 : start === 0;
  });
}

/** True if one of the patterns means a variable by its name or by another name that it goes by. */
export const matchesEither = (patterns: readonly string[], name: string, other: string): boolean =>
  patterns.some((pattern) => isMatch(pattern, name) || isMatch(pattern, other));

/**
 * The other name that a variable goes by: without what tfjs appended, where no variable has that
 * name and no pattern is the variable's exact name; else its own.
 */
export function otherName(
  patterns: readonly string[],
  name: string,
  isVariable: (name: string) => boolean,
): string {
  const base = baseName(name);
  return isVariable(base) || patterns.includes(name) ? name : base;
}

/** Throws if a pattern matches none of the names; `label` says whose pattern it is. */
export function checkMatched(
  label: string,
  patterns: readonly string[],
  names: readonly string[],
): void {
  for (const pattern of patterns) {
    if (!names.some((name) => matchesEither([pattern], name, baseName(name)))) {
      const list = names.map(show).join(', ');
      throw new Error(`${label} ${show(pattern)} matches no variable; there are ${list}`);
    }
  }
}
