/** What the runs say, in sentences: every number in them is computed from the runs. */
import { baseline, experiments, lionARBaseline } from './experiments.js';
import { median } from '../../src/median.js';
import type { Run } from './train.js';

/** The median over the seeds of something measured at step 0, for each run that was made. */
export interface FirstUpdate {
  name: string;
  updateNorm: number;
  /** Radians. */
  angle: number;
  representationChange: number;
}

const namesOf = (runs: readonly Run[]): string[] => [...new Set(runs.map(({ name }) => name))];
const runsOf = (runs: readonly Run[], name: string): Run[] =>
  runs.filter((run) => run.name === name);

export const firstUpdates = (runs: readonly Run[]): FirstUpdate[] =>
  namesOf(runs).map((name) => {
    const medianOf = (value: (run: Run) => number): number => median(runsOf(runs, name).map(value));
    return {
      name,
      updateNorm: medianOf((run) => run.updateNorms[0]),
      angle: medianOf((run) => run.angles[0]),
      representationChange: medianOf((run) => run.representationChanges[0].value),
    };
  });

export const firstUpdateHeader = [
  'first update',
  'update norm',
  'angle of q, k, v (rad)',
  'representation change of q, k, v',
];

export const firstUpdateCells = ({ name, ...values }: FirstUpdate): string[] => [
  name,
  ...Object.values(values).map((value) => value.toPrecision(3)),
];

/** Smaller differences of a loss are taken for the luck of the seeds. */
const noticeable = 0.01;

export function findings(runs: readonly Run[]): string[] {
  const made = new Set(namesOf(runs));
  const pairs = [...made].flatMap((name) => {
    const warm = experiments.find(
      (other) => other.warmupFraction > 0 && `${other.optimizer}, no warmup` === name,
    )?.name;
    return warm !== undefined && made.has(warm) ? [{ name, warm }] : [];
  });
  const effects = pairs.map(({ name, warm }) => compared(runs, name, warm));
  const firstSteps = pairs.map(({ name, warm }) => firstUpdateRatios(runs, name, warm));
  if (!made.has(lionARBaseline)) return [...effects, ...firstSteps];
  const settings = experiments.flatMap(({ name, setting }) =>
    setting !== undefined && made.has(name) ? [verdict(runs, name, setting)] : [],
  );
  return [
    ...effects,
    ...(made.has(baseline) ? [compared(runs, lionARBaseline, baseline)] : []),
    ...settings,
    ...firstSteps,
    angleRange(runs),
  ];
}

const nats = (difference: number): string => `${difference < 0 ? '' : '+'}${difference.toFixed(3)}`;

/** "median 2.170 against 2.150, +0.020; seed by seed +0.020, ..." */
function numbers(
  runs: readonly Run[],
  name: string,
  other: string,
): { difference: number; text: string } {
  // A seed that only one of the two was run on would shift its median.
  const pairs = runsOf(runs, name).flatMap(({ seed, validationLoss }) => {
    const partner = runsOf(runs, other).find((run) => run.seed === seed);
    return partner ? [{ own: validationLoss, reference: partner.validationLoss }] : [];
  });
  const [own, reference] = (['own', 'reference'] as const).map((side) =>
    median(pairs.map((pair) => pair[side])),
  );
  const bySeed = pairs.map((pair) => nats(pair.own - pair.reference));
  const difference = own - reference;
  return {
    difference,
    text:
      `median ${own.toFixed(3)} against ${reference.toFixed(3)} nats, ${nats(difference)}` +
      (bySeed.length > 1 ? ` (seed by seed ${bySeed.join(', ')})` : ''),
  };
}

const compared = (runs: readonly Run[], name: string, other: string): string =>
  `${name}, against ${other}: ${numbers(runs, name, other).text}.`;

function verdict(runs: readonly Run[], name: string, setting: string): string {
  const { difference, text } = numbers(runs, name, lionARBaseline);
  const meaning = difference < -noticeable ? 'helps' : 'does not help';
  return `LionAR with ${setting} ${meaning} at this scale: ${text}.`;
}

function firstUpdateRatios(runs: readonly Run[], name: string, warm: string): string {
  const [cold, warmed] = [name, warm].map((each) =>
    firstUpdates(runs).find((row) => row.name === each)!,
  );
  const ratio = (key: 'updateNorm' | 'angle' | 'representationChange'): string =>
    (cold[key] / warmed[key]).toPrecision(3);
  return (
    `First update of ${name}, in multiples of that with warmup: norm ${ratio('updateNorm')}, ` +
    `angle ${ratio('angle')}, representation change ${ratio('representationChange')}.`
  );
}

function angleRange(runs: readonly Run[]): string {
  const angles = runsOf(runs, lionARBaseline).flatMap(({ angles, learningRates }) => {
    const peak = Math.max(...learningRates);
    return angles.filter((_, step) => learningRates[step] === peak);
  });
  const [least, most] = [Math.min(...angles), Math.max(...angles)];
  return (
    `${lionARBaseline}: on all steps of the constant part of its schedule the query, key and value ` +
    `matrices turn by ${least.toPrecision(5)} to ${most.toPrecision(5)} radians.`
  );
}
