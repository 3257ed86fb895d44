/** How well weights and their update are aligned with what goes through them. */
import { matMul, reshape, Tensor, tidy } from '@tensorflow/tfjs-core';
import { check, checkNames } from '../check.js';
import { kindOf } from './kind-of.js';
import { normOf } from './sums.js';

/** Options of {@link alignmentRatio}. */
export type AlignmentOptions = {
  /** W, for the default `map` of the shape [in, out]. */
  readonly weights: Tensor;
  /** dW, of the same shape. */
  readonly change: Tensor;
  /** X, for the default `map` of a shape [..., in]. */
  readonly inputs: Tensor;
  /**
   * The layer without bias and activation, linear in the weights. Default: the matrix product
   * inputs weights.
   */
  readonly map?: (inputs: Tensor, weights: Tensor) => Tensor;
};

/** What {@link alignmentRatio} found; all without units. */
export type Alignment = {
  /** |dW X| / (|dW| |X|), between 0 and 1 for a matrix product. */
  readonly changeAlignment: number;
  /** |W X| / (|W| |X|), between 0 and 1 for a matrix product. */
  readonly weightAlignment: number;
  /** changeAlignment / weightAlignment. */
  readonly ratio: number;
  /** |dW X| / |W X| = ratio |dW| / |W|: the relative change of the representation. */
  readonly representationChange: number;
};

/** X W over the last axis of X. */
export const linear = (inputs: Tensor, weights: Tensor): Tensor =>
  inputs.rank === 2
    ? matMul(inputs, weights)
    : reshape(matMul(reshape(inputs, [-1, inputs.shape.at(-1)!]), weights), [
        ...inputs.shape.slice(0, -1),
        weights.shape[1]!,
      ]);

/**
 * The alignment ratio of an update: how much more of dW than of W meets the inputs.
 *
 * alpha_dW = |dW X| / (|dW| |X|), alpha_W = |W X| / (|W| |X|), ratio = alpha_dW / alpha_W,
 * Frobenius norms over the whole
 * batch. It links the relative change of weights with that of representations: |dY| / |Y| = ratio
 * |dW| / |W|. At
 * initialization muP expects about sqrt(fan-in); in training it falls towards 1.
 *
 * @param options `weights`, `change`, `inputs`, and `map` for layers other than dense ones.
 * @throws for tensors that do not fit each other, and for options that are unknown.
 * @see arXiv 2510.19093, on relative updates and alignment (through reviews of it); the identity is
 * elementary.
 * @example
 * const before = weights.clone();
 * optimizer.minimize(loss);
 * const { ratio } = await alignmentRatio({ weights: before, change: tf.sub(weights, before), inputs });
 */
export async function alignmentRatio(options: AlignmentOptions): Promise<Alignment> {
  const label = 'alignmentRatio';
  checkNames(label, options, ['weights', 'change', 'inputs', 'map']);
  const { weights, change, inputs, map = linear } = options;
  for (const name of ['weights', 'change', 'inputs'] as const)
    check(options[name] instanceof Tensor, label, name, 'be a tensor', kindOf(options[name]));
  check(
    change.shape.join() === weights.shape.join(),
    label,
    "the change's shape",
    `be that of the weights, [${weights.shape}]`,
    change.shape,
  );
  check(typeof map === 'function', label, 'map', 'be a function of inputs and weights', map);
  if (map === linear) {
    check(
      weights.rank === 2 && inputs.rank >= 2 && inputs.shape.at(-1) === weights.shape[0],
      label,
      'inputs',
      `have ${weights.shape[0]} features in the last axis, as weights of shape [${weights.shape}] take them (or give a map)`,
      inputs.shape,
    );
  }
  const outputs = tidy(() => [map(inputs, change), map(inputs, weights)]);
  try {
    const [changed, output, dW, w, x] = await Promise.all(
      [...outputs, change, weights, inputs].map(normOf),
    );
    const [changeAlignment, weightAlignment] = [changed / (dW * x), output / (w * x)];
    return {
      changeAlignment,
      weightAlignment,
      ratio: changeAlignment / weightAlignment,
      representationChange: changed / output,
    };
  } finally {
    for (const tensor of outputs) tensor.dispose();
  }
}
