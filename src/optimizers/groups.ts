/** Parameter groups: which variables get settings of their own. */
import { check, show } from '../check.js';
import { checkMatched, matchesEither, otherName } from '../name-matcher.js';
import { flag, float32Within, parseOptions, type Schema } from '../schema.js';

/** Settings of their own for some variables. What is left out is as for all others. */
export type Group = {
  /**
   * A variable name, in which `*` stands for any text, or a list of such. An exact name wins: the
   * name without the `_1` that tfjs appends to it counts only where no variable has it.
   */
  readonly match: string | readonly string[];
  /**
   * Multiplies the learning rate, and a given `rotation`; in [0, Infinity), 0 to freeze.
   * @defaultValue 1
   */
  readonly learningRateScale?: number;
  /**
   * In place of the optimizer's weight decay, for variables of any rank; in [0, Infinity).
   * @defaultValue the optimizer's from rank 2 on, else 0
   */
  readonly weightDecay?: number;
  /**
   * The axis, or the two axes, that number the neurons; negative numbers count from the last axis.
   * @defaultValue 0 for names with "embedding", 2 for "transpose" and [2, 3] for "depthwise" where
   * the rank is 4, else the last
   */
  readonly neuronAxis?: number | readonly number[];
  /**
   * Whether a rotational optimizer turns the weight vectors.
   * @defaultValue true from rank 2 on where there is a weight decay or a given rotation
   */
  readonly rotational?: boolean;
};

/** What one variable got. */
export type VariableSettings = {
  /** The name of the variable. */
  readonly name: string;
  /** The shape of the variable. */
  readonly shape: readonly number[];
  /** The `match` of its group; undefined if it has none. */
  readonly group: Group['match'] | undefined;
  /** What its learning rate is multiplied with. */
  readonly learningRateScale: number;
  /** Its weight decay. */
  readonly weightDecay: number;
  /** The axis, or the axes, that number its neurons. */
  readonly neuronAxis: number | readonly number[];
  /** As the group says; undefined leaves it to the optimizer. */
  readonly rotational?: boolean;
};

const schema: Schema = {
  match: {
    required: true,
    allowed: 'be a pattern or a list of variable names',
    accepts: (match) =>
      [match].flat().every((name) => typeof name === 'string') &&
      (match as Group['match']).length > 0,
  },
  learningRateScale: /* @__PURE__ */ float32Within('[0, Infinity)'),
  weightDecay: /* @__PURE__ */ float32Within('[0, Infinity)'),
  neuronAxis: {
    allowed: 'be an axis or a list of axes',
    accepts: (axis) => [axis].flat().every(Number.isInteger),
  },
  rotational: /* @__PURE__ */ flag(),
};

const placeOf = (label: string, index: number): string => `${label}: groups[${index}]`;

/** Copies of groups, without what is undefined; throws for what is not allowed. */
export const parseGroups = (label: string, groups: readonly Group[]): Group[] =>
  // Not `map`, which would pass over holes.
  Array.from(groups, (group, i) => parseOptions(placeOf(label, i), schema, group) as Group);

/** The names and patterns of a group. */
const patternsOf = ({ match }: Group): readonly string[] => [match].flat();

/**
 * The neuron axis where no group gives one: the output features, by the conventions of tfjs-layers.
 */
function defaultNeuronAxis(name: string, rank: number): number | readonly number[] {
  if (/embedding/i.test(name)) return 0;
  if (rank === 4 && /transpose/i.test(name)) return 2;
  if (rank === 4 && /depthwise/i.test(name)) return [2, 3];
  return Math.max(0, rank - 1);
}

/**
 * The settings of a variable; decay applies from rank 2 on unless its group says otherwise.
 * `isVariable` is true of the names of all variables that are trained along with it.
 */
export function settingsOf(
  label: string,
  { groups, weightDecay }: { readonly groups: readonly Group[]; readonly weightDecay: number },
  { name, shape }: { readonly name: string; readonly shape: readonly number[] },
  isVariable: (name: string) => boolean,
): VariableSettings {
  const other = otherName(groups.flatMap(patternsOf), name, isVariable);
  const found = groups.filter((group) => matchesEither(patternsOf(group), name, other));
  if (found.length > 1) {
    const patterns = found.map(({ match }) => show(match)).join(' and ');
    throw new Error(
      `${label}: groups ${patterns} both claim the variable ${show(name)}; ` +
        'a variable may belong to one group',
    );
  }
  const { match, ...own }: Partial<Group> = found[0] ?? {};
  return {
    name,
    shape: [...shape],
    group: match,
    learningRateScale: 1,
    weightDecay: shape.length >= 2 ? weightDecay : 0,
    neuronAxis: defaultNeuronAxis(name, shape.length),
    ...own,
  };
}

/** Throws if a name or pattern of a group matches no variable. */
export function checkGroupsUsed(
  label: string,
  groups: readonly Group[],
  names: readonly string[],
): void {
  checkMatched(`${label}: the group`, groups.flatMap(patternsOf), names);
}

/** Groups as plain JSON: tfjs rewrites every string of a loaded model but the values of `name`. */
export const groupsToConfig = (groups: readonly Group[]) =>
  groups.map((group) => ({ ...group, match: patternsOf(group).map((name) => ({ name })) }));

/** Groups from plain JSON; what is no list is left for {@link parseGroups} to refuse. */
export const groupsFromConfig = (label: string, config: unknown): unknown =>
  Array.isArray(config)
    ? Array.from(config, (group, i) => fromConfig(placeOf(label, i), group))
    : config;

function fromConfig(label: string, group: { readonly match?: unknown } | null): unknown {
  const names: unknown = group?.match;
  check(Array.isArray(names), label, 'match', 'be a list of { name }', names);
  return { ...group, match: names.map((named: { name?: unknown } | null) => named?.name) };
}
