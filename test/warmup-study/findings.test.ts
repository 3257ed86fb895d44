import { describe, expect, it } from 'vitest';
import { findings, firstUpdates } from '../../bench/warmup-study/findings.js';
import type { Run } from '../../bench/warmup-study/train.js';
import { updateSeries } from '../../bench/warmup-study/update-series.js';

/** A run whose first update has the given size. */
const run = (name: string, seed: number, validationLoss: number, size = 1): Run => ({
  name,
  seed,
  validationLoss,
  optimizer: name.split(',')[0],
  options: {},
  warmupFraction: 0,
  losses: [3, 2],
  learningRates: [1, 0.5],
  updateNorms: [size, 0.1],
  angles: [0.1 * size, 0.1],
  neuronAngles: [0.1, 0.1],
  signalToNoise: [],
  representationChanges: [{ step: 0, value: 0.2 * size }],
  millisecondsPerStep: 1,
});

describe('the findings', () => {
  it('compare medians and each seed, and say what LionAR does without warmup', () => {
    const runs = [1, 2, 3].flatMap((seed) => [
      run('AdamW, no warmup', seed, 2.5 + seed / 10, 20),
      run('AdamW, 10% warmup', seed, 2.2 + seed / 100),
      run('LionAR, no warmup', seed, 2.15 + seed / 50),
    ]);
    expect(findings(runs)).toEqual([
      'AdamW, no warmup, against AdamW, 10% warmup: median 2.700 against 2.220 nats, +0.480 (seed by seed +0.390, +0.480, +0.570).',
      'LionAR, no warmup, against AdamW, 10% warmup: median 2.190 against 2.220 nats, -0.030 (seed by seed -0.040, -0.030, -0.020).',
      'First update of AdamW, no warmup, in multiples of that with warmup: norm 20.0, angle 20.0, representation change 20.0.',
      'LionAR, no warmup: on all steps of the constant part of its schedule the query, key and value matrices turn by 0.10000 to 0.10000 radians.',
    ]);
  });

  it.each([
    [2.1, 'helps at this scale: median 2.100 against 2.150 nats, -0.050.'],
    [2.145, 'does not help at this scale: median 2.145 against 2.150 nats, -0.005.'],
    [2.35, 'does not help at this scale: median 2.350 against 2.150 nats, +0.200.'],
  ])('judge a setting of the paper that ends at %f', (loss, verdict) => {
    expect(
      findings([run('LionAR, no warmup', 1, 2.15), run('LionAR-RRC, no warmup', 1, loss)]),
    ).toContain(`LionAR with the RRC correction ${verdict}`);
  });

  it('say nothing where there is nothing to compare', () => {
    expect(findings([run('GIAdam, no warmup', 1, 2.2)])).toEqual([]);
  });
});

describe('the first update', () => {
  it('is the median over the seeds', () => {
    const runs = [1, 5, 3].map((size, i) => run('AdamW, no warmup', i, 2, size));
    expect(firstUpdates(runs)).toEqual([
      {
        name: 'AdamW, no warmup',
        updateNorm: 3,
        angle: expect.closeTo(0.3),
        representationChange: expect.closeTo(0.6),
      },
    ]);
  });
});

describe('the series of a run', () => {
  const reading = (step: number, variables: Record<string, object>) => ({
    step,
    clipCoefficient: 1,
    variables,
  });

  it('join the norms of all variables and take medians over matrices and neurons', () => {
    const variables = {
      gain: { updateNorm: 2, angularUpdate: 9, neuronAngularUpdate: [9], gradientSNR: 9 },
      query: { updateNorm: 3, angularUpdate: 0.1, neuronAngularUpdate: [0.1, 0.2], gradientSNR: 1 },
      up: { updateNorm: 6, angularUpdate: 0.5, neuronAngularUpdate: [0.5], gradientSNR: 2 },
    };
    expect(updateSeries([reading(0, variables)], ['query', 'up'], ['query'])).toEqual({
      updateNorms: [7],
      angles: [0.1],
      neuronAngles: [0.2],
      signalToNoise: [1.5],
    });
  });

  it('have no signal-to-noise ratio where none was read', () => {
    const variables = { query: { updateNorm: 3, angularUpdate: 0.1, neuronAngularUpdate: [0.1] } };
    expect(updateSeries([reading(0, variables)], ['query'], ['query']).signalToNoise).toEqual([]);
  });
});
