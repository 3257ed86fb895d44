/** What must come of numbers that are not finite, wherever a test runs the steps. */
import { expect, it } from 'vitest';
import { wrongElement, type clipped, type weightsAfter } from './not-finite.js';
import { optimizerCases } from './optimizers.js';

/** The steps of not-finite.ts, on a backend and an executor. */
export type Place = {
  readonly weightsAfter: (name: string, wrong: number) => ReturnType<typeof weightsAfter>;
  readonly clipped: (gradients: Parameters<typeof clipped>[0]) => ReturnType<typeof clipped>;
};

/** Declares the tests of a place. */
export function testNotFinite({ weightsAfter, clipped }: Place): void {
  it('NaN in a gradient shows in the weight, for good, with every optimizer', async () => {
    for (const { name } of optimizerCases) {
      const weights = await weightsAfter(name, NaN);
      expect([name, weights[wrongElement]]).toEqual([name, NaN]);
    }
  });

  it('NaN does not spread between the elements of sign rules', async () => {
    for (const name of ['Lion', 'LionA']) {
      const weights = await weightsAfter(name, NaN);
      expect(weights.filter(Number.isNaN)).toHaveLength(1);
    }
  });

  it('clipNorm: a norm of NaN makes all weights NaN', async () => {
    for (const a of [[NaN], [1, NaN, 2], [Infinity, NaN]]) {
      const { moves, factor } = await clipped({ a, b: [1e6, 1] });
      expect(factor).toBeNaN();
      expect([...moves.a, ...moves.b].every(Number.isNaN)).toBe(true);
    }
  });

  it('clipNorm: an infinite norm leaves finite elements and makes NaN of the others', async () => {
    for (const [a, moved] of [
      [[Infinity], [NaN]],
      [
        [1, -Infinity],
        [0, NaN],
      ],
      [
        [Infinity, 3, -Infinity],
        [NaN, 0, NaN],
      ],
    ]) {
      const { moves, factor } = await clipped({ a, b: [1e6, 0] });
      expect(factor).toBe(0);
      expect(moves.a.map((value) => value + 0)).toEqual(moved);
      expect(moves.b.map(Math.abs)).toEqual([0, 0]);
    }
  });

  it('clipNorm: finite norms as ever', async () => {
    const { moves, factor } = await clipped({ a: [3], b: [4, 0] });
    expect(factor).toBeCloseTo(0.2, 6);
    expect(moves.b[0]).toBeCloseTo(-0.8, 6);
    expect((await clipped({ a: [0], b: [0, 0] })).factor).toBe(1);
    expect((await clipped({ a: [0.3], b: [0.4] })).factor).toBe(1);
  });

  it('rrc survives gradients whose squares overflow', async () => {
    for (const name of optimizerCases.map((one) => one.name).filter((one) => /RRC/.test(one))) {
      for (const large of [2e19, -1e25, 3e38]) {
        const weights = await weightsAfter(name, large);
        expect([name, large, weights.filter(Number.isFinite).length]).toEqual([name, large, 12]);
      }
    }
  });
}
