/** A round: as many steps as fit into some milliseconds. native.c does the same. */
import { median } from '../../src/median.js';
import type { Round } from './protocol.js';
import type { Running } from './subject.js';

/** `last`: the milliseconds of the step before. */
export async function runRound(
  { step, round }: Running,
  milliseconds: number,
  last: number,
): Promise<Round> {
  // Garbage of the round before is not this round's cost.
  globalThis.gc?.();
  if (round) return round(milliseconds, last);
  // Another program had the caches until now. A step that is longer than a round would not notice.
  if (last < milliseconds) await step();
  const times: number[] = [];
  const start = performance.now();
  do {
    const time = step();
    times.push(typeof time === 'number' ? time : await time);
  } while (performance.now() - start < milliseconds);
  return { steps: times.length, milliseconds: median(times) };
}
