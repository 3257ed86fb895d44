/** Parameter groups: which variables get settings of their own. */
import { check, checkNames, checkNumber, show } from '../check.js';

export type Group = {
  /** A variable name, in which `*` stands for any text, or a list of such. The `_1` that tfjs appends to a name is ignored. */
  readonly match: string | readonly string[];
  readonly learningRateScale?: number;
  readonly weightDecay?: number;
  readonly neuronAxis?: number | readonly number[];
  readonly rotational?: boolean;
};

/** What one variable got. */
export type VariableSettings = {
  readonly name: string;
  readonly shape: readonly number[];
  /** The `match` of its group. */
  readonly group: Group['match'] | undefined;
  readonly learningRateScale: number;
  readonly weightDecay: number;
  readonly neuronAxis: number | readonly number[];
  /** As the group says; undefined leaves it to the optimizer. */
  readonly rotational: boolean | undefined;
};

export function checkGroups(owner: string, groups: unknown): asserts groups is readonly Group[] {
  check(Array.isArray(groups), owner, 'groups', 'be an array of groups', groups);
  groups.forEach((group: Group, i: number) => {
    const option = `groups[${i}]`;
    checkNames(`${owner}: ${option}`, group, ['match', 'learningRateScale', 'weightDecay', 'neuronAxis', 'rotational']);
    const { match, learningRateScale, weightDecay, neuronAxis, rotational } = group;
    check(
      (typeof match === 'string' && match !== '') || (Array.isArray(match) && match.length > 0 && match.every((name) => typeof name === 'string')),
      owner, `${option}.match`, 'be a pattern or a list of variable names', match,
    );
    if (learningRateScale !== undefined) checkNumber(owner, `${option}.learningRateScale`, learningRateScale, '[0, Infinity)');
    if (weightDecay !== undefined) checkNumber(owner, `${option}.weightDecay`, weightDecay, '[0, Infinity)');
    if (neuronAxis !== undefined) check([neuronAxis].flat().every(Number.isInteger), owner, `${option}.neuronAxis`, 'be an axis or a list of axes', neuronAxis);
    if (rotational !== undefined) check(typeof rotational === 'boolean', owner, `${option}.rotational`, 'be true or false', rotational);
  });
}

/** A name without what tfjs appends to make it unique. */
export const baseName = (name: string): string => name.replace(/_\d+$/, '');

/** The names and patterns of a group. */
const patternsOf = ({ match }: Group): readonly string[] => [match].flat();

function matches(pattern: string, name: string): boolean {
  const expression = new RegExp(`^${pattern.split('*').map((text) => text.replace(/[.+?^${}()|[\]\\]/g, '\\$&')).join('.*')}$`);
  return expression.test(name) || expression.test(baseName(name));
}

/** The neuron axis of a variable that no group speaks of: the output features, by the conventions of tfjs-layers. */
function defaultNeuronAxis(name: string, rank: number): number | readonly number[] {
  if (/embedding/i.test(name)) return 0;
  if (rank === 4 && /transpose/i.test(name)) return 2;
  if (rank === 4 && /depthwise/i.test(name)) return [2, 3];
  return Math.max(0, rank - 1);
}

/** The settings of a variable; decay applies from rank 2 on unless its group says otherwise. */
export function settingsOf(owner: string, groups: readonly Group[], weightDecay: number, variable: { name: string; shape: readonly number[] }): VariableSettings {
  const { name, shape } = variable;
  const claiming = groups.filter((group) => patternsOf(group).some((pattern) => matches(pattern, name)));
  if (claiming.length > 1) {
    throw new Error(`${owner}: groups ${claiming.map(({ match }) => show(match)).join(' and ')} both claim the variable '${name}'; a variable may belong to one group`);
  }
  const group = claiming[0];
  return {
    name,
    shape: [...shape],
    group: group?.match,
    learningRateScale: group?.learningRateScale ?? 1,
    weightDecay: group?.weightDecay ?? (shape.length >= 2 ? weightDecay : 0),
    neuronAxis: group?.neuronAxis ?? defaultNeuronAxis(name, shape.length),
    rotational: group?.rotational,
  };
}

/** Throws if a name or pattern of a group matches no variable. */
export function checkGroupsUsed(owner: string, groups: readonly Group[], names: readonly string[]): void {
  for (const pattern of groups.flatMap(patternsOf)) {
    if (!names.some((name) => matches(pattern, name))) {
      throw new Error(`${owner}: the group ${show(pattern)} matches no variable; there are ${names.map(show).join(', ')}`);
    }
  }
}

/** Groups as plain JSON: loading a model rewrites every string but the value of `name`. */
export const groupsConfig = (groups: readonly Group[]) =>
  groups.map((group) => ({ ...group, match: patternsOf(group).map((name) => ({ name })) }));

export const groupsFromConfig = (config: ReturnType<typeof groupsConfig>): Group[] =>
  config.map((group) => ({ ...group, match: group.match.map(({ name }) => name) }));
