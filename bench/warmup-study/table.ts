import { median } from '../../src/median.js';
import { baseline } from './experiments.js';
import type { Run } from './train.js';

/** One line of the result; the medians over the seeds have no seed. */
export interface Row {
  name: string;
  seed?: number;
  validationLoss: number;
  /** Nats above AdamW with warmup on the same seed; undefined where that run was not made. */
  gap?: number;
}

/** Every run, then, where there are several seeds, the medians of each experiment. */
export function resultRows(runs: readonly Run[]): Row[] {
  const rows = runs.map(({ name, seed, validationLoss }): Row => {
    const reference = runs.find((run) => run.name === baseline && run.seed === seed);
    return {
      name,
      seed,
      validationLoss,
      gap: reference && validationLoss - reference.validationLoss,
    };
  });
  const names = [...new Set(runs.map((run) => run.name))];
  if (runs.length === names.length) return rows;
  const medians = names.map((name): Row => {
    const own = rows.filter((row) => row.name === name);
    const gaps = own.flatMap(({ gap }) => gap ?? []);
    return {
      name,
      validationLoss: median(own.map((row) => row.validationLoss)),
      gap: gaps.length > 0 ? median(gaps) : undefined,
    };
  });
  return [...rows, ...medians];
}

export const header = ['run', 'seed', 'validation loss', `gap to ${baseline}`];

export const cells = ({ name, seed, validationLoss, gap }: Row): string[] => [
  name,
  seed === undefined ? 'median' : `${seed}`,
  validationLoss.toFixed(3),
  gap === undefined ? '-' : `${gap < 0 ? '' : '+'}${gap.toFixed(3)}`,
];
