/** What a bench gives: raw rounds, and the figures made of them. */
import { median } from '../../src/median.js';
import type { Machine } from './machine.js';
import type { Counts, Round } from './protocol.js';
import type { Comparison } from './subject.js';

export type SubjectResult = {
  readonly subject: string;
  /** 'ok', or why there are no figures: 'out of memory', 'failed: ...', 'left out: ...'. */
  readonly status: string;
  /** Medians over the rounds; absent where the status is not ok. */
  readonly milliseconds?: number;
  readonly nanosecondsPerParameter?: number;
  /** Absent too where it is not known what the subject must move. */
  readonly gigabytesPerSecond?: number;
  /** What a step asks of the GPU; absent where calls are not counted. */
  readonly counts?: Counts;
  readonly rounds: readonly Round[];
};

/** The ratios of a comparison, round by round. */
export type Ratio = Comparison & {
  readonly median: number;
  readonly min: number;
  readonly max: number;
  readonly rounds: readonly number[];
};

export type CaseResult = {
  readonly case: string;
  readonly tensors: number;
  readonly parameters: number;
  readonly ratios: readonly Ratio[];
  readonly subjects: readonly SubjectResult[];
};

export type BenchResult = {
  readonly machine: Machine;
  readonly settings: {
    readonly rounds: number;
    readonly milliseconds: number;
    readonly warmupMilliseconds: number;
  };
  readonly cases: readonly CaseResult[];
};

export function figures(rounds: readonly Round[], parameters: number, bytes: number | undefined) {
  const milliseconds = median(rounds.map((round) => round.milliseconds));
  return {
    milliseconds,
    nanosecondsPerParameter: (milliseconds * 1e6) / parameters,
    gigabytesPerSecond: bytes === undefined ? undefined : bytes / (milliseconds * 1e6),
  };
}

/** The comparisons of which both sides have run. */
export function ratiosOf(
  comparisons: readonly Comparison[],
  subjects: readonly SubjectResult[],
): Ratio[] {
  const ran = new Map(
    subjects.flatMap((result) => (result.status === 'ok' ? [[result.subject, result]] : [])),
  );
  return comparisons.flatMap((comparison) => {
    const [above, below] = [ran.get(comparison.over), ran.get(comparison.under)];
    return above && below ? [ratioOf(comparison, above, below)] : [];
  });
}

function ratioOf(comparison: Comparison, above: SubjectResult, below: SubjectResult): Ratio {
  const scale = comparison.perByte ? bytesOf(below) / bytesOf(above) : 1;
  // A round's pair ran in the same second: what slowed the machine slowed both. Slow subjects sit
  // out the last rounds.
  const common = Math.min(above.rounds.length, below.rounds.length);
  const rounds = above.rounds
    .slice(0, common)
    .map(({ milliseconds }, i) => (scale * milliseconds) / below.rounds[i].milliseconds);
  return {
    ...comparison,
    median: median(rounds),
    min: Math.min(...rounds),
    max: Math.max(...rounds),
    rounds,
  };
}

const bytesOf = ({ gigabytesPerSecond = NaN, milliseconds = NaN }: SubjectResult): number =>
  gigabytesPerSecond * milliseconds;
