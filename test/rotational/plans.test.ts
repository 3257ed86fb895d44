/** How often each rule sweeps over the elements: what a step costs where memory is the limit. */
import { describe, expect, test } from 'vitest';
import { planUpdate } from '../../src/compiler/program.js';
import type { Rule } from '../../src/compiler/rule.js';
import { adamW } from '../../src/rules/adamw.js';
import { giAdam } from '../../src/rules/gi-adam.js';
import { lionA, type LionAForm } from '../../src/rules/lion-a.js';
import { lionAR } from '../../src/rules/lion-ar.js';
import { rAdam } from '../../src/rules/radam.js';
import { rotationalAdamW, rotationalLion, rotationalSGDM } from '../../src/rules/rotational.js';
import type { Correction } from '../../src/rules/correction.js';
import { estimatedRRC, givenRRC } from '../../src/rules/rrc.js';

const sweeps = (rule: Rule, scaled = false): number =>
  planUpdate(rule, scaled).stages.filter(({ domain }) => domain === 'element').length;

/** Element buffers that a plan keeps between its sweeps. */
const scratch = (rule: Rule): number =>
  planUpdate(rule, false).buffers.filter(
    ({ domain, role }) => domain === 'element' && role === 'scratch',
  ).length;

const booleans = [false, true] as const;
const forms = booleans.flatMap((zeroMean) =>
  booleans.flatMap((perNeuron) => booleans.map((averaged) => ({ zeroMean, perNeuron, averaged }))),
);

describe.each(forms)('zeroMean $zeroMean, perNeuron $perNeuron, averaged $averaged', (form) => {
  test('rotational rules sweep twice, and keep at most one buffer between the sweeps', () => {
    for (const scaled of booleans) {
      expect(sweeps(rotationalAdamW({ ...form, equilibriumRate: 'adamw' }), scaled)).toBe(2);
      expect(sweeps(rotationalLion({ ...form, equilibriumRate: 'lion' }), scaled)).toBe(2);
      for (const nesterov of booleans)
        expect(sweeps(rotationalSGDM({ ...form, equilibriumRate: 'sgdm' }, nesterov), scaled)).toBe(
          2,
        );
    }
    for (const rule of [
      rotationalAdamW({ ...form, equilibriumRate: 'adamw' }),
      rotationalLion({ ...form, equilibriumRate: 'lion' }),
      rotationalSGDM({ ...form, equilibriumRate: 'sgdm' }, false),
    ]) {
      expect(scratch(rule)).toBeLessThanOrEqual(1);
    }
  });
});

const lionForm: LionAForm = { nesterov: true, biasCorrection: 'none' };
const lionARForm = {
  ...lionForm,
  zeroMean: false,
  perNeuron: true,
  equilibriumRate: 'adamw',
  givenRotation: true,
  exactAngle: false,
} as const;

test('LionAR sweeps twice', () => {
  for (const zeroMean of booleans)
    for (const perNeuron of booleans)
      for (const exactAngle of booleans)
        expect(sweeps(lionAR({ ...lionARForm, zeroMean, perNeuron, exactAngle }))).toBe(2);
});

test('rules without neurons sweep once', () => {
  for (const rule of [
    adamW(),
    lionA(lionForm),
    rAdam,
    giAdam('gradient'),
    giAdam('firstNonZeroGradient'),
  ])
    expect(sweeps(rule)).toBe(1);
  // The norm of random numbers is known after one sweep, and used in the next.
  expect(sweeps(giAdam('random'))).toBe(2);
});

describe('the correction from the signal-to-noise ratio', () => {
  const form = { batchSize: Infinity, minimum: 0.05, start: 0.05 };
  const [stored, immediate, given] = [
    estimatedRRC({ ...form, immediate: false }),
    estimatedRRC({ ...form, immediate: true }),
    givenRRC({ ...form, immediate: false }),
  ];
  const rules = (rrc?: Correction): [string, Rule][] => [
    ['AdamW', adamW(rrc)],
    ['LionA', lionA({ ...lionForm, rrc })],
    ['LionAR', lionAR({ ...lionARForm, rrc })],
  ];

  test('with a ratio from outside or the sums of the step before: no further sweep', () => {
    for (const correction of [given, stored])
      rules(correction).forEach(([, rule], i) => expect(sweeps(rule)).toBe(sweeps(rules()[i][1])));
  });

  test('with the sums of the step before, no neuron waits for the whole tensor', () => {
    const { stages } = planUpdate(lionAR({ ...lionARForm, rrc: stored }), false);
    const read = stages
      .filter(({ domain }) => domain !== 'tensor')
      .flatMap(({ instructions }) =>
        instructions.flatMap((value) =>
          value.op === 'load' && value.buffer.domain === 'tensor' ? [value.buffer.role] : [],
        ),
      );
    expect(new Set(read)).toEqual(new Set(['slot']));
  });

  test('immediate: one more sweep, none for LionAR, whose two sweeps have a place for its sums', () => {
    expect(rules(immediate).map(([name, rule]) => [name, sweeps(rule)])).toEqual([
      ['AdamW', 2],
      ['LionA', 2],
      ['LionAR', 2],
    ]);
  });
});
