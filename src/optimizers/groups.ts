/** Parameter groups: which variables get settings of their own. */
import { check, show } from '../check.js';
import { checkMatched, listsMatching } from '../name-matcher.js';
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
  const found = listsMatching(groups, patternsOf, name, isVariable);
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

/** Groups from plain JSON; what is no list of groups is left for {@link parseGroups} to refuse. */
export function groupsFromConfig(label: string, config: unknown): unknown {
  if (!Array.isArray(config)) return config;
  return Array.from(config as readonly (Partial<Group> | null | undefined)[], (group, i) => {
    const match: unknown = group?.match;
    const isList = Array.isArray(match) && match.every((named) => typeof named?.name === 'string');
    const allowed = 'be a list of { name }, as getConfig writes it';
    check(isList, placeOf(label, i), 'match', allowed, match);
    return { ...group, match: (match as { name: string }[]).map(({ name }) => name) };
  });
}
