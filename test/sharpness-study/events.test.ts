import { describe, expect, it } from 'vitest';
import { eventsOf } from '../../bench/sharpness-study/events.js';
import { ProbeRecorder } from '../../src/probes/index.js';

const recorded = (
  losses: number[],
  {
    learningRate = () => 0.1,
    sharpness = () => 1,
  }: {
    learningRate?: (step: number) => number;
    sharpness?: (step: number) => number | undefined;
  } = {},
): ProbeRecorder => {
  const recorder = new ProbeRecorder();
  losses.forEach((loss, step) =>
    recorder.log(step, { loss, learningRate: learningRate(step), sharpness: sharpness(step) }),
  );
  return recorder;
};

describe('what happened in a run', () => {
  it('is nothing where the loss falls and the sharpness stays below 2 / eta', () => {
    expect(eventsOf(recorded([4, 3, 2, 1]))).toEqual({
      divergedAt: undefined,
      crossedAt: undefined,
      catapult: undefined,
      lateSharpness: 1,
      lateThreshold: 20,
    });
  });

  it.each([
    ['1000 first losses', [2, 100, 2000]],
    ['infinity', [2, 1999, Infinity]],
    ['NaN', [2, 1, NaN]],
  ])('is a divergence at a loss of %s, and then no catapult', (_, losses) => {
    expect(eventsOf(recorded(losses))).toMatchObject({ divergedAt: 2, catapult: undefined });
  });

  it('is a crossing at the first measured step whose own rate does not bear the sharpness', () => {
    const learningRate = (step: number): number => (step + 1) / 10;
    const sharpness = (step: number): number | undefined => (step % 2 === 0 ? 4.5 : undefined);
    // 2 / eta: 20, 10, 6.7, 5, 4: first below 4.5 at step 4.
    expect(eventsOf(recorded([5, 4, 3, 2, 1, 1, 1], { learningRate, sharpness })).crossedAt).toBe(
      4,
    );
    expect(
      eventsOf(recorded([5, 4, 3, 2, 1, 1, 1], { learningRate, sharpness: () => 20 })).crossedAt,
    ).toBe(1);
  });

  it('is a catapult where the loss rises, peaks and falls below where it had been: the largest of them', () => {
    expect(eventsOf(recorded([8, 4, 6, 9, 3, 2, 3, 1])).catapult).toEqual({
      step: 3,
      before: 4,
      peak: 9,
    });
    expect(eventsOf(recorded([8, 4, 6, 3, 1, 2, 9, 0.5])).catapult).toEqual({
      step: 6,
      before: 1,
      peak: 9,
    });
  });

  it('is no catapult where the rise is small or the loss does not recover', () => {
    expect(eventsOf(recorded([8, 4, 4.9, 3])).catapult).toBeUndefined();
    expect(eventsOf(recorded([8, 4, 9, 5, 4.1])).catapult).toBeUndefined();
  });

  it('ends at the medians of the last 50 steps', () => {
    const sharpness = (step: number): number => {
      if (step < 150) return 100;
      return step % 10 === 0 ? 50 : 8;
    };
    const { lateSharpness, lateThreshold } = eventsOf(
      recorded(
        Array.from({ length: 200 }, () => 1),
        { learningRate: (step) => (step < 150 ? 1 : 0.25), sharpness },
      ),
    );
    expect([lateSharpness, lateThreshold]).toEqual([8, 8]);
  });
});
