/** How much one update changed what a network computes. */
import { clone, keep, mul, sub, Tensor, tidy, type Variable } from '@tensorflow/tfjs-core';
import { check, show } from '../check.js';
import { linear as matrixProduct } from './alignment-ratio.js';
import { kindOf } from './kind-of.js';
import {
  isLayersModel,
  layersOf,
  linearMapOf,
  listOf,
  predictWatched,
  type LayersModelLike,
  type LinearMap,
} from './layers-model.js';
import { jointNorm } from './sums.js';

/**
 * What a plain function calls for each weight that is to be measured; gives `map(inputs, weights)`,
 * by default the matrix product over the last axis of the inputs. `map` must be linear in the
 * weights: no bias, no activation.
 */
export type LinearCall = (
  inputs: Tensor,
  weights: Variable,
  map?: (inputs: Tensor, weights: Tensor) => Tensor,
) => Tensor;

/** A network as a plain function of its inputs (and of variables that it reads). */
export type Forward<Inputs> = (inputs: Inputs, linear: LinearCall) => Tensor | Tensor[];

/** How the representations of one layer Y = W X changed, without units. */
export type LayerChange = {
  /** |dW X| / |W X| with the inputs X frozen: the layer's own part. */
  readonly local: number;
  /** |Y' - Y| / |Y|, where the inputs have changed too. */
  readonly total: number;
  /** |dW| / |W|. */
  readonly relativeUpdate: number;
  /** local / relativeUpdate: see `alignmentRatio`. */
  readonly alignmentRatio: number;
};

/** What {@link representationChange} measured. */
export type RepresentationChange = {
  /** |Y' - Y| / |Y| of the network's outputs. */
  readonly total: number;
  /** By the name of the layer's weight variable. */
  readonly layers: Readonly<Record<string, LayerChange>>;
};

/** A call of a layer: tied weights are used by several maps. */
type Call = { readonly apply: LinearMap['apply']; readonly inputs: Tensor };

/** A layer as seen in one forward pass: a shared one is called several times. */
type Seen = { readonly weights: Tensor; readonly calls: Call[] };

/**
 * The relative change of representations (RRC) that an update makes on a probe batch.
 *
 * For each layer Y = W X, before bias and activation: local |dW X| / |W X| with X as it was before
 * the update, and total
 * |W' X' - W X| / |W X|; for the network total |Y' - Y| / |Y|. Frobenius norms over the whole
 * batch, without units. dW X is computed from dW itself, so that a small change does not drown in
 * rounding; the totals are differences of float32 numbers and bottom out at about 1e-7. Of a
 * tfjs-layers model all dense, convolution, depthwise, transposed convolution and embedding layers
 * are measured, in inference mode; recurrent layers are not. It costs two forward passes and a copy
 * of the weights and of each layer's inputs.
 *
 * @param target a tfjs-layers model, or a function of the inputs that calls its second argument for
 * each weight.
 * @param inputs the probe batch: what the model's `predictOnBatch` or the function takes.
 * @param update makes the update, for instance by `optimizer.minimize`; may be async.
 * @throws where no layer can be measured, saying what to do; whatever `update` throws.
 * @see Kosson, Messmer, Jaggi, Analyzing and reducing the need for learning rate warmup (arXiv
 * 2410.23922); local and
 *   frozen inputs as in arXiv 2510.19093 (through reviews of it).
 * @example
 * const change = await representationChange(model, xs, () => optimizer.minimize(() => loss(model.predict(xs), ys)));
 * console.log(change.total, change.layers['dense_Dense1/kernel'].local);
 *
 * const forward = (x, linear) => linear(tf.relu(linear(x, w1)), w2);
 * const { layers } = await representationChange(forward, x, () => optimizer.minimize(() => loss(forward(x, tf.matMul), y)));
 */
export async function representationChange<Inputs = Tensor | Tensor[]>(
  target: LayersModelLike | Forward<Inputs>,
  inputs: Inputs,
  update: () => unknown,
): Promise<RepresentationChange> {
  const label = 'representationChange';
  check(
    isLayersModel(target) || typeof target === 'function',
    label,
    'target',
    'be a tfjs-layers model or a function of the inputs',
    kindOf(target),
  );
  check(
    typeof update === 'function',
    label,
    'update',
    'be a function that updates the weights',
    update,
  );
  const kept: Tensor[] = [];
  const hold = (tensor: Tensor): Tensor => {
    const copy = keep(clone(tensor));
    kept.push(copy);
    return copy;
  };
  try {
    const before = forwardPass(label, target, inputs, hold);
    if (before.layers.size === 0) {
      throw new Error(
        isLayersModel(target)
          ? `${label}: the model has no dense, convolution or embedding layer; measure a function that calls linear(inputs, weights) for each of its weights`
          : `${label}: the function measured no weight; let it call its second argument, linear(inputs, weights), in place of tf.matMul(inputs, weights)`,
      );
    }
    await update();
    const after = forwardPass(label, target, inputs, hold);
    const layers = await Promise.all(
      [...before.layers].map(async ([name, layer]) => {
        const again = after.layers.get(name);
        const [times, timesAfter] = [layer, again].map((seen) => seen?.calls.length ?? 0);
        if (!again || times !== timesAfter) {
          throw new Error(
            `${label}: ${show(name)} was measured in ${times} ${times === 1 ? 'call' : 'calls'} before the update and ${timesAfter} after it; the network must call the same layers each time`,
          );
        }
        return [name, await layerChange(layer, again)] as const;
      }),
    );
    return {
      total: await relativeChange(before.outputs, after.outputs),
      layers: Object.fromEntries(layers),
    };
  } finally {
    for (const tensor of kept) tensor.dispose();
  }
}

/** The outputs and what went into each layer; all tensors are held. */
function forwardPass<Inputs>(
  label: string,
  target: LayersModelLike | Forward<Inputs>,
  inputs: Inputs,
  hold: (tensor: Tensor) => Tensor,
): { outputs: Tensor[]; layers: Map<string, Seen> } {
  const layers = new Map<string, Seen>();
  const see = ({ weights, apply }: LinearMap, given: Tensor): void => {
    // A copy: an optimizer would have to move a variable that shares its data, and could not write
    // in place.
    const layer = layers.get(weights.name) ?? { weights: hold(mul(weights, 1)), calls: [] };
    layer.calls.push({ apply, inputs: hold(given) });
    layers.set(weights.name, layer);
  };
  const outputs = tidy(() =>
    (isLayersModel(target)
      ? throughModel(target, inputs as Tensor | Tensor[], see)
      : throughFunction(label, target, inputs, see)
    ).map(hold),
  );
  return { outputs, layers };
}

function throughModel(
  model: LayersModelLike,
  inputs: Tensor | Tensor[],
  see: (map: LinearMap, inputs: Tensor) => void,
): Tensor[] {
  const layers = layersOf(model).filter((layer) => linearMapOf(layer));
  return predictWatched(model, inputs, layers, (layer, given) =>
    see(linearMapOf(layer)!, given[0]),
  );
}

function throughFunction<Inputs>(
  label: string,
  forward: Forward<Inputs>,
  inputs: Inputs,
  see: (map: LinearMap, inputs: Tensor) => void,
): Tensor[] {
  const call: LinearCall = (given, weights, map = matrixProduct) => {
    check(
      given instanceof Tensor && weights instanceof Tensor,
      label,
      'linear',
      'be called with a tensor and a tf.Variable',
      kindOf(weights),
    );
    check(
      typeof weights.name === 'string',
      label,
      'weights of linear',
      'be a tf.Variable',
      kindOf(weights),
    );
    see({ weights, apply: map }, given);
    return map(given, weights);
  };
  const outputs = listOf(forward(inputs, call));
  for (const output of outputs)
    check(output instanceof Tensor, label, 'target', 'give a tensor', output);
  return outputs;
}

async function layerChange(before: Seen, after: Seen): Promise<LayerChange> {
  const { weights, calls } = before;
  const outputsOf = (made: readonly Call[], by: Tensor): Tensor[] =>
    made.map(({ apply, inputs }) => apply(inputs, by));
  const sets = tidy(() => {
    const change = sub(after.weights, weights);
    return {
      change,
      outputs: outputsOf(calls, weights),
      changed: outputsOf(calls, change),
      after: outputsOf(after.calls, after.weights),
    };
  });
  try {
    const [changed, output, dW, w] = await Promise.all(
      [sets.changed, sets.outputs, [sets.change], [weights]].map(jointNorm),
    );
    const [local, relativeUpdate] = [changed / output, dW / w];
    return {
      local,
      total: await relativeChange(sets.outputs, sets.after),
      relativeUpdate,
      alignmentRatio: local / relativeUpdate,
    };
  } finally {
    for (const tensor of Object.values(sets).flat()) tensor.dispose();
  }
}

async function relativeChange(
  before: readonly Tensor[],
  after: readonly Tensor[],
): Promise<number> {
  const differences = tidy(() => before.map((y, i) => sub(after[i], y)));
  try {
    const [change, size] = await Promise.all([jointNorm(differences), jointNorm(before)]);
    return change / size;
  } finally {
    for (const tensor of differences) tensor.dispose();
  }
}
