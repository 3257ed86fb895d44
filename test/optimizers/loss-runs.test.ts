/** How often a step runs the user's function, which may draw the next batch. */
import * as tf from '@tensorflow/tfjs-core';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { AdamW, LionAR, RotationalAdamW, RuleOptimizer } from '../../src/optimizers/index.js';
import { defineRule, mul, sqrt, sub, tensorSum } from '../../src/rules/index.js';
import { useBackend } from '../support/backends.js';
import { caseNamed, defaultCases } from '../support/optimizers.js';
import { bitsOf, numbersTensor, numbersVariable } from '../support/tensors.js';

afterEach(() => tf.disposeVariables());

/** Notes each variable's norm before the first step, and leaves its weights. */
const noting = defineRule({
  name: 'noting',
  slots: { norm: 'tensor' },
  prepare: ({ w }) => ({ w, norm: sqrt(tensorSum(mul(w, w))) }),
  update: ({ w, g }, s) => ({ w: sub(w, mul(s.learningRate, g)) }),
});

type Loop = (optimizer: tf.Optimizer, loss: () => tf.Scalar, w: tf.Variable) => void;

const loops: Record<string, Loop> = {
  minimize: (optimizer, loss) => void optimizer.minimize(loss),
  'computeGradients and applyGradients': (optimizer, loss) => {
    const { value, grads } = optimizer.computeGradients(loss);
    optimizer.applyGradients(grads);
    tf.dispose([value, grads]);
  },
  'minimize with the variables': (optimizer, loss, w) => void optimizer.minimize(loss, false, [w]),
};

/** The batches that three steps draw. */
function drawn(optimizer: tf.Optimizer, loop: Loop, prepare = false): number[] {
  const w = numbersVariable([5, 3], 1, 'drawn');
  if (prepare) (optimizer as LionAR).prepare([w]);
  const batches: number[] = [];
  for (let step = 0; step < 3; step++) {
    loop(
      optimizer,
      () => {
        batches.push(batches.length);
        return tf.sum(tf.square(w)) as tf.Scalar;
      },
      w,
    );
  }
  optimizer.dispose();
  return batches;
}

describe.each(['cpu', 'wasm'])('on %s', (backend) => {
  beforeEach(() => useBackend(backend));

  describe.each(Object.entries(loops))('%s', (name, loop) => {
    const learningRate = 0.01;
    const listed = name === 'minimize with the variables';

    test.each([
      ['AdamW', () => new AdamW({ learningRate })],
      ['LionAR', () => new LionAR({ learningRate })],
      [
        'RotationalAdamW without centring',
        () => new RotationalAdamW({ learningRate, zeroMean: false }),
      ],
      ['a rule that only takes notes', () => new RuleOptimizer({ learningRate, rule: noting })],
    ])('%s: once a step', (_, make) => {
      expect(drawn(make(), loop)).toEqual([0, 1, 2]);
    });

    test('RotationalAdamW: again where the first run showed which weights to centre', () => {
      expect(drawn(new RotationalAdamW({ learningRate }), loop)).toEqual(
        listed ? [0, 1, 2] : [0, 1, 2, 3],
      );
    });

    test('RotationalAdamW, prepared: once a step', () => {
      expect(drawn(new RotationalAdamW({ learningRate }), loop, true)).toEqual([0, 1, 2]);
    });
  });

  test.each(defaultCases)('$name: the same weights with and without the list', async ({ name }) => {
    const run = (list: boolean) => {
      const { make, rates } = caseNamed(name);
      const w = numbersVariable([5, 3], 1, `listed${list}`);
      const optimizer = make(rates);
      const target = numbersTensor([5, 3], 2);
      const loss = () => tf.sum(tf.square(tf.sub(w, target))) as tf.Scalar;
      for (let step = 0; step < 3; step++) optimizer.minimize(loss, false, list ? [w] : undefined);
      const bits = bitsOf(w);
      optimizer.dispose();
      tf.dispose([w, target]);
      return bits;
    };
    expect(run(false)).toEqual(run(true));
  });
});
