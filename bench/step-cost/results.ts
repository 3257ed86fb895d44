/** What a bench gives: raw rounds, and the figures made of them. */
import { median } from '../../src/optimizers/measure-step.js';
import type { Machine } from './machine.js';
import type { Round } from './protocol.js';

export type SubjectResult = {
  readonly subject: string;
  /** 'ok', or why there are no figures: 'out of memory', 'failed: ...', 'left out: ...'. */
  readonly status: string;
  /** Medians over the rounds; absent where the status is not ok. */
  readonly milliseconds?: number;
  readonly nanosecondsPerParameter?: number;
  /** Absent too where it is not known what the subject must move. */
  readonly gigabytesPerSecond?: number;
  readonly rounds: readonly Round[];
};

/** One subject's time by another's, round by round. */
export type Ratio = {
  readonly over: string;
  readonly under: string;
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
  readonly settings: { readonly rounds: number; readonly milliseconds: number; readonly warmupMilliseconds: number };
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

/** The pairs of which both have run. */
export function ratiosOf(pairs: readonly (readonly [over: string, under: string])[], subjects: readonly SubjectResult[]): Ratio[] {
  return pairs.flatMap(([over, under]) => {
    const [above, below] = [over, under].map((name) => subjects.find(({ subject, status }) => subject === name && status === 'ok'));
    if (!above || !below) return [];
    // A round's pair ran in the same second: what slowed the machine slowed both.
    const rounds = above.rounds.map(({ milliseconds }, i) => milliseconds / below.rounds[i].milliseconds);
    return [{ over, under, median: median(rounds), min: Math.min(...rounds), max: Math.max(...rounds), rounds }];
  });
}
