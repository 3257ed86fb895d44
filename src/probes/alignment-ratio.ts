/** How well weights and their update are aligned with what goes through them. */
import { matMul, reshape, tidy, type Tensor } from '@tensorflow/tfjs-core';
import { check } from '../check.js';
import { parseOptions } from '../schema.js';
import { functionOption, tensorOption } from './options.js';
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
   * The layer without bias and activation, linear in the weights.
   *
   * @defaultValue The matrix product inputs weights over the last axis of the inputs.
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
export function linear(inputs: Tensor, weights: Tensor): Tensor {
  if (inputs.rank === 2) return matMul(inputs, weights);
  const rows = reshape(inputs, [-1, inputs.shape.at(-1)!]);
  return reshape(matMul(rows, weights), [...inputs.shape.slice(0, -1), weights.shape[1]!]);
}

const label = 'alignmentRatio';

const schema = {
  weights: tensorOption,
  change: tensorOption,
  inputs: tensorOption,
  map: functionOption('of inputs and weights', linear),
};

/**
 * The alignment ratio of an update: how much more of dW than of W meets the inputs.
 *
 * alpha_dW = |dW X| / (|dW| |X|), alpha_W = |W X| / (|W| |X|), ratio = alpha_dW / alpha_W,
 * Frobenius norms over the whole batch. It links the relative change of weights with that of
 * representations: |dY| / |Y| = ratio |dW| / |W|. At initialization muP expects about sqrt(fan-in);
 * in training it falls towards 1.
 *
 * @param options - The tensors, and `map` for layers other than dense ones.
 * @returns The two alignments, their ratio, and the relative change of the representation.
 * @throws {Error} if tensors do not fit each other, or an option is unknown.
 * @see {@link https://arxiv.org/abs/2510.19093 | arXiv 2510.19093}, on relative updates and
 *   alignment (through reviews of it); the identity is elementary.
 * @example
 * const before = weights.clone();
 * optimizer.minimize(loss);
 * const change = tf.sub(weights, before);
 * const { ratio } = await alignmentRatio({ weights: before, change, inputs });
 * ratio > 0; // true
 */
export async function alignmentRatio(options: AlignmentOptions): Promise<Alignment> {
  const given = parseOptions(label, schema, options) as Required<AlignmentOptions>;
  const { weights, change, inputs, map } = given;
  checkShapes(given);
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

function checkShapes({ weights, change, inputs, map }: Required<AlignmentOptions>): void {
  check(
    change.shape.join() === weights.shape.join(),
    label,
    "the change's shape",
    `be that of the weights, [${weights.shape}]`,
    change.shape,
  );
  if (map !== linear) return;
  check(
    weights.rank === 2 && inputs.rank >= 2 && inputs.shape.at(-1) === weights.shape[0],
    label,
    'inputs',
    `have ${weights.shape[0]} features in the last axis, ` +
      `as weights of shape [${weights.shape}] take them (or give a map)`,
    inputs.shape,
  );
}
