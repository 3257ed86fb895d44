/** Which variables a name or a pattern means: one matcher for groups and probes. */
import { show } from './check.js';

/** A name without what tfjs appends to make it unique. */
export const baseName = (name: string): string => name.replace(/_\d+$/, '');

/**
 * True if `*` in the pattern can stand for texts that make it the name. Each part between two stars
 * is taken where it first occurs, so that the time grows with the name and not with the ways to
 * divide it.
 */
export function isMatch(pattern: string, name: string): boolean {
  const [first, ...parts] = pattern.split('*');
  const last = parts.pop();
  if (last === undefined) return name === pattern;
  if (!name.startsWith(first)) return false;
  let end = first.length;
  for (const part of parts) {
    const start = name.indexOf(part, end);
    if (start < 0) return false;
    end = start + part.length;
  }
  return name.length - last.length >= end && name.endsWith(last);
}

/** True if one of the patterns is the variable's name, or the same without what tfjs appended. */
const matchesEither = (patterns: readonly string[], name: string, base: string): boolean =>
  patterns.some((pattern) => isMatch(pattern, name) || isMatch(pattern, base));

/**
 * The lists of patterns that mean a variable. An exact name wins: a name without what tfjs appended
 * counts only where no variable has it, and no list gives the variable's own name.
 */
export function listsMatching<T>(
  lists: readonly T[],
  patternsOf: (list: T) => readonly string[],
  name: string,
  isVariable: (name: string) => boolean,
): T[] {
  const base = baseName(name);
  const isExact = isVariable(base) || lists.some((list) => patternsOf(list).includes(name));
  return lists.filter((list) => matchesEither(patternsOf(list), name, isExact ? name : base));
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
