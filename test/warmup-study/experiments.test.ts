import { beforeAll, describe, expect, it } from 'vitest';
import { useBackend } from '../../bench/support/backend.js';
import { readCorpus } from '../../bench/warmup-study/data.js';
import { experiments } from '../../bench/warmup-study/experiments.js';
import { train, type Run } from '../../bench/warmup-study/train.js';
import { equilibriumRotation } from '../../src/rules/index.js';

const shape = { layers: 1, width: 8, context: 8, batch: 2 };
const steps = 10;
const corpus = readCorpus('the whale, the sea and the ship; '.repeat(40), shape.context);

describe('every experiment, in 10 steps', () => {
  const runs = new Map<string, Run>();
  const run = (name: string): Run => runs.get(name)!;
  beforeAll(async () => {
    await useBackend('wasm');
    for (const experiment of experiments) {
      runs.set(
        experiment.name,
        await train(experiment, { corpus, shape, learningRate: 0.02, steps, seed: 1 }, () => {}),
      );
    }
  }, 60_000);

  it('learns, and keeps a number for each step', () => {
    for (const { name, tellsSignal } of experiments) {
      const { losses, updateNorms, angles, neuronAngles, signalToNoise, representationChanges } =
        run(name);
      expect(losses.at(-1)).toBeLessThan(losses[0]);
      for (const series of [losses, updateNorms, angles, neuronAngles])
        expect(series).toHaveLength(steps);
      expect(signalToNoise).toHaveLength(tellsSignal ? steps : 0);
      expect(representationChanges.map(({ step }) => step)).toEqual([0, 1, 2, 4, 8]);
    }
  });

  it("turns the matrices by LionAR's 0.04 radians on each step of the plateau", () => {
    for (const series of [run('LionAR, no warmup').angles, run('LionAR, no warmup').neuronAngles]) {
      for (const angle of series.slice(0, steps / 2))
        expect(Math.abs(angle / Math.atan(0.04) - 1)).toBeLessThan(1e-4);
    }
  });

  it("starts the rotational variants at the equilibrium of their settings: AdamW's own, and LionAR's angle", () => {
    const equilibria = {
      RotationalAdamW: equilibriumRotation({ kind: 'adamw', learningRate: 0.02, weightDecay: 0.1 }),
      RotationalLion: equilibriumRotation({ kind: 'lion', learningRate: 0.003, weightDecay: 12.1 }),
      RotationalSGDM: equilibriumRotation({ kind: 'sgdm', learningRate: 0.1, weightDecay: 0.0152 }),
    };
    for (const [name, rotation] of Object.entries(equilibria))
      expect(run(`${name}, no warmup`).neuronAngles[0]).toBeCloseTo(Math.atan(rotation), 4);
    expect(equilibria.RotationalLion).toBeCloseTo(0.04, 3);
    expect(equilibria.RotationalSGDM).toBeCloseTo(0.04, 3);
  });

  it('records the options that make the difference', () => {
    const optionsOf = (name: string) => run(`${name}, no warmup`).options;
    expect(optionsOf('LionAR')).toMatchObject({
      rotation: { kind: 'trapezoid', peak: 0.04 },
      learningRate: { peak: 0.003 },
      beta: 0.9,
      nesterov: true,
      biasCorrection: 'none',
      matchAdamW: false,
    });
    expect(optionsOf('LionAR-paper')).toMatchObject({ beta: 0.98, biasCorrection: 'inverse' });
    expect(optionsOf('LionAR-RRC')).toMatchObject({ rrc: { kind: 'rrc' } });
  });
});
