/** What happened in a run, read off its series. */
import type { ProbeRecorder } from '../../src/probes/index.js';
import { median } from '../../src/median.js';

export interface Events {
  /** The first step whose loss was no longer below `divergence` times the first loss. */
  divergedAt?: number;
  /** The first measured step whose sharpness was above 2 / eta. */
  crossedAt?: number;
  catapult?: Catapult;
  /**
   * Medians over the last `lateSteps` steps: that of a single step is anywhere in an oscillation.
   */
  lateSharpness: number;
  lateThreshold: number;
}

/**
 * The loss rose from its lowest value so far to a peak, and later fell below where it had risen
 * from.
 */
export interface Catapult {
  step: number;
  before: number;
  peak: number;
}

interface Point {
  x: number;
  y: number;
}

/** A loss of so many first losses does not come back. */
export const divergence = 1000;

/** A smaller rise of the loss is taken for the oscillation at the edge of stability. */
export const leastRise = 1.25;

export const lateSteps = 50;

export function eventsOf(recorder: ProbeRecorder): Events {
  const [losses, sharpness, thresholds] = ['loss', 'sharpness', 'threshold'].map((name) =>
    recorder.series(name),
  );
  const thresholdAt = new Map(thresholds.map(({ x, y }) => [x, y]));
  const divergedAt = losses.find(({ y }) => hasDiverged(y, losses[0].y))?.x;
  return {
    divergedAt,
    crossedAt: sharpness.find(({ x, y }) => y > thresholdAt.get(x)!)?.x,
    catapult: divergedAt === undefined ? catapultOf(losses) : undefined,
    lateSharpness: lateMedian(sharpness),
    lateThreshold: lateMedian(thresholds),
  };
}

// Not `loss >= ...`: NaN has diverged too.
export const hasDiverged = (loss: number, firstLoss: number): boolean =>
  !(loss < divergence * firstLoss);

/** The largest rise, as a ratio, that the loss recovered from. */
function catapultOf(losses: readonly Point[]): Catapult | undefined {
  let best: Catapult | undefined;
  let before = Infinity;
  const lowestAfter = lowestFrom(losses);
  losses.forEach(({ x, y }, i) => {
    before = Math.min(before, y);
    const rise = y / before;
    if (rise >= leastRise && lowestAfter[i] < before && rise > (best ? best.peak / best.before : 1))
      best = { step: x, before, peak: y };
  });
  return best;
}

/** The lowest loss from each step on. */
function lowestFrom(losses: readonly Point[]): number[] {
  let lowest = Infinity;
  return losses
    .map(({ y }) => y)
    .reverse()
    .map((loss) => (lowest = Math.min(lowest, loss)))
    .reverse();
}

function lateMedian(points: readonly Point[]): number {
  const last = points.at(-1)!.x;
  return median(points.filter(({ x }) => x > last - lateSteps).map(({ y }) => y));
}
