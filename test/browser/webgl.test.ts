/**
 * The library on tfjs's webgl backend, which a page gets by default: every optimizer by tfjs
 * operations, with float32 textures and with half floats.
 */
import { beforeEach, describe, expect, it } from 'vitest';
import { testNotFinite } from '../support/not-finite-tests';
import { optimizerCases } from '../support/optimizers';
import { useBackend } from '../support/backends';
import { skipWebGPU } from '../webgpu/support/vitest';
import { trainCase, type Outcome } from './optimizer-steps';
import { Pages } from './pages';
import { train } from './steps';

const names = optimizerCases.map(({ name }) => name);
const adams = names.filter((name) => /^(AdamW|GIAdam|RAdam|RotationalAdamW)/.test(name));

/** All whose rule has an epsilon: RuleOptimizer takes it among its hyperparameters. */
const dividers = names.filter((name) => adams.includes(name) || name.includes('adamW()'));

const numbersOf = ({ weights, outputs }: Outcome): number[] => [...weights.flat(), ...outputs];

function largestDifference(a: readonly number[], b: readonly number[]): number {
  expect(a).toHaveLength(b.length);
  return Math.max(...a.map((value, i) => Math.abs(value - b[i])));
}

describe.skipIf(skipWebGPU)('webgl in chromium', () => {
  const pages = new Pages();

  describe('float32 textures', () => {
    beforeEach(() => pages.open());

    it('trains by tfjs operations, as on cpu, and says so once', async () => {
      const inPage = await pages.check('train', 'webgl');
      await pages.check('train', 'webgl');
      expect(inPage).toMatchObject({ backend: 'webgl', executor: 'ops' });
      await useBackend('cpu');
      const inNode = await train();
      expect(inPage.losses[4]).toBeLessThan(inPage.losses[0]);
      expect(largestDifference(inPage.weights.flat(), inNode.weights.flat())).toBeLessThan(1e-5);
      expect(pages.ownWarnings()).toEqual([
        'tfjs-warmup: no fused kernels, tfjs operations instead: there are none for webgl',
      ]);
    });

    it('every optimizer, saved and loaded, to wasm and back', async () => {
      const outcomes = await pages.check('trainCases', names, ['webgl', 'wasm', 'webgl']);
      for (const name of names) {
        const inNode = await trainCase(name, ['cpu', 'wasm', 'cpu']);
        const outcome = outcomes[name];
        expect([name, outcome.error, outcome.executors]).toEqual([
          name,
          undefined,
          ['ops', 'wasm', 'ops'],
        ]);
        expect(outcome.epsilon).toBe(dividers.includes(name) ? 1e-8 : undefined);
        const difference = largestDifference(numbersOf(outcome), numbersOf(inNode));
        // Random numbers of the executor's own are those of tfjs, on all backends the same.
        expect([name, difference < 1e-4]).toEqual([name, true]);
      }
    });

    it('wasm computes with biases that webgl has trained', async () => {
      for (const name of ['AdamW', 'Lion', 'RotationalSGDM']) {
        const { [name]: outcome } = await pages.check('trainCases', [name], ['webgl', 'wasm']);
        expect([name, outcome.error]).toEqual([name, undefined]);
        expect(outcome.outputs.every(Number.isFinite)).toBe(true);
      }
    });

    it('takes an epsilon that only float32 can hold', async () => {
      const outcomes = await pages.check('trainCases', adams, ['webgl'], { epsilon: 1e-12 });
      for (const name of adams) {
        expect(outcomes[name]).toMatchObject({ error: undefined, epsilon: 1e-12 });
        expect(numbersOf(outcomes[name]).every(Number.isFinite)).toBe(true);
      }
    });

    testNotFinite({
      weightsAfter: (name, wrong) => pages.check('weightsAfter', 'webgl', name, wrong),
      clipped: (gradients) => pages.check('clipped', 'webgl', gradients),
    });
  });

  describe('half floats', () => {
    beforeEach(async () => {
      await pages.open();
      await pages.check('halfFloats');
    });

    it('every optimizer trains by default', async () => {
      const outcomes = await pages.check('trainCases', names, ['webgl']);
      for (const name of names) {
        const outcome = outcomes[name];
        const isAdam = dividers.includes(name);
        expect([name, outcome.error]).toEqual([name, undefined]);
        expect(outcome.epsilon).toBe(isAdam ? 1e-4 : undefined);
        const difference = largestDifference(
          numbersOf(outcome),
          numbersOf(await trainCase(name, ['cpu'])),
        );
        // Half floats hold no small second moment: Adam's steps differ, by more than 11 bits do.
        expect([name, difference < (isAdam ? 1 : 0.02)]).toEqual([name, true]);
      }
    });

    it('the default epsilon is that of the backend, in mid-run too', async () => {
      const { AdamW: moved } = await pages.check('trainCases', ['AdamW'], ['webgl', 'wasm']);
      expect(moved).toMatchObject({ error: undefined, epsilon: 1e-8 });
    });

    it('an epsilon that was given is kept, or refused by name', async () => {
      for (const epsilon of [1e-8, 9e-5, 0]) {
        const outcomes = await pages.check('trainCases', adams, ['webgl'], { epsilon });
        for (const name of adams)
          expect(outcomes[name].error).toMatch(
            /^(RuleOptimizer )?\w+: epsilon must be at least 0.0001 on a backend of half precision, .*got /,
          );
      }
      const outcomes = await pages.check('trainCases', adams, ['webgl'], { epsilon: 1e-3 });
      for (const name of adams)
        expect(outcomes[name]).toMatchObject({ error: undefined, epsilon: 1e-3 });
    });

    it('clipNorm is refused by name', async () => {
      const { Lion } = await pages.check('trainCases', ['Lion'], ['webgl'], { clipNorm: 1 });
      expect(Lion.error).toMatch(/^Lion: clipNorm must be left out .*half precision.* got 1$/);
    });

    it('a config that was saved there has the default again elsewhere, and the reverse', async () => {
      const saved = await pages.check('configs', 'webgl');
      expect(saved.map(({ epsilon }) => epsilon)).toEqual([1e-8, 1e-8, 1e-3]);
      expect(await pages.check('usedEpsilons', 'wasm', saved)).toEqual([1e-8, 1e-8, 1e-3]);
      expect(await pages.check('usedEpsilons', 'webgl', saved)).toEqual([1e-4, 1e-4, 1e-3]);
    });
  });
});
