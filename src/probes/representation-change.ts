/** How much one update changed what a network computes. */
import { clone, dispose, keep, mul, sub, Tensor, tidy, type Variable } from '@tensorflow/tfjs-core';
import { check, show } from '../check.js';
import { getOrMake } from '../get-or-make.js';
import { linear as matrixProduct } from './alignment-ratio.js';
import { checkKind } from '../kind-of.js';
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

/** A layer in one forward pass: a shared one is called several times. */
type WatchedLayer = { readonly weights: Tensor; readonly calls: Call[] };

const label = 'representationChange';

/**
 * The relative change of representations (RRC) that an update makes on a probe batch.
 *
 * For each layer Y = W X, before bias and activation: local |dW X| / |W X| with X as it was before
 * the update, and total |W' X' - W X| / |W X|; for the network total |Y' - Y| / |Y|. Frobenius
 * norms over the whole batch, without units. dW X is computed from dW itself, so that a small
 * change does not drown in rounding; the totals are differences of float32 numbers and bottom out
 * at about 1e-7. Of a tfjs-layers model all dense, convolution, depthwise, transposed convolution
 * and embedding layers are measured, in inference mode; recurrent layers are not. It costs two
 * forward passes and a copy of the weights and of each layer's inputs.
 *
 * @param target - A tfjs-layers model, or a function of the inputs that calls its second argument
 *   for each weight.
 * @param inputs - The probe batch: what the model's `predictOnBatch` or the function takes.
 * @param update - Makes the update, for instance by `optimizer.minimize`; may be async.
 * @returns The change of the outputs, and of each layer.
 * @throws {Error} if no layer can be measured, saying what to do; and whatever `update` throws.
 * @see {@link https://arxiv.org/abs/2410.23922 | Kosson, Messmer and Jaggi, Analyzing and reducing
 *   the need for learning rate warmup}
 * @see {@link https://arxiv.org/abs/2510.19093 | arXiv 2510.19093}, for local and frozen inputs
 *   (through reviews of it)
 * @example
 * const trainModel = () => optimizer.minimize(() => loss(model.predict(xs), ys));
 * const change = await representationChange(model, xs, trainModel);
 * change.layers['dense_Dense1/kernel'].local > 0; // true
 *
 * const forward = (x, linear) => linear(tf.relu(linear(x, w1)), w2);
 * const train = () => optimizer.minimize(() => loss(forward(x, tf.matMul), y));
 * const { total, layers } = await representationChange(forward, x, train);
 * Object.keys(layers).length; // 2
 */
export async function representationChange<Inputs = Tensor | Tensor[]>(
  target: LayersModelLike | Forward<Inputs>,
  inputs: Inputs,
  update: () => unknown,
): Promise<RepresentationChange> {
  const isModel = isLayersModel(target);
  checkKind(
    isModel || typeof target === 'function',
    label,
    'target',
    'be a tfjs-layers model or a function of the inputs',
    target,
  );
  check(
    typeof update === 'function',
    label,
    'update',
    'be a function that updates the weights',
    update,
  );
  const before = new ForwardPass();
  const after = new ForwardPass();
  try {
    before.run(target, inputs);
    if (before.layers.size === 0) throw new Error(`${label}: ${nothingToMeasure(isModel)}`);
    await update();
    after.run(target, inputs);
    return {
      total: await relativeChange(before.outputs, after.outputs),
      layers: await layerChanges(before, after),
    };
  } finally {
    before.dispose();
    after.dispose();
  }
}

const nothingToMeasure = (isModel: boolean): string =>
  isModel
    ? 'the model has no dense, convolution or embedding layer; ' +
      'measure a function that calls linear(inputs, weights) for each of its weights'
    : 'the function measured no weight; let it call its second argument, ' +
      'linear(inputs, weights), in place of tf.matMul(inputs, weights)';

/** What goes into each layer and comes out of the network, in copies that outlive the pass. */
class ForwardPass {
  readonly layers = new Map<string, WatchedLayer>();
  outputs: Tensor[] = [];
  readonly #kept: Tensor[] = [];

  run<Inputs>(target: LayersModelLike | Forward<Inputs>, inputs: Inputs): void {
    tidy(() => {
      const outputs = isLayersModel(target)
        ? this.#throughModel(target, inputs as Tensor | Tensor[])
        : this.#throughFunction(target, inputs);
      this.outputs = outputs.map((output) => this.#keep(output));
    });
  }

  dispose(): void {
    dispose(this.#kept);
  }

  #throughModel(model: LayersModelLike, inputs: Tensor | Tensor[]): Tensor[] {
    const layers = layersOf(model).filter((layer) => linearMapOf(layer));
    return predictWatched(model, inputs, layers, (layer, given) =>
      this.#addCall(linearMapOf(layer)!, given[0]),
    );
  }

  #throughFunction<Inputs>(forward: Forward<Inputs>, inputs: Inputs): Tensor[] {
    const linear: LinearCall = (given, weights, apply = matrixProduct) => {
      checkLinearCall(given, weights);
      this.#addCall({ weights, apply }, given);
      return apply(given, weights);
    };
    const outputs = listOf(forward(inputs, linear));
    for (const output of outputs)
      check(output instanceof Tensor, label, 'target', 'give a tensor', output);
    return outputs;
  }

  #addCall({ weights, apply }: LinearMap, inputs: Tensor): void {
    const { calls } = getOrMake(this.layers, weights.name, () => ({
      // A product: an optimizer would have to move a variable that shares its data, and could not
      // write in place.
      weights: this.#keep(mul(weights, 1)),
      calls: [],
    }));
    calls.push({ apply, inputs: this.#keep(inputs) });
  }

  #keep(tensor: Tensor): Tensor {
    const copy = keep(clone(tensor));
    this.#kept.push(copy);
    return copy;
  }
}

function checkLinearCall(inputs: unknown, weights: unknown): void {
  checkKind(
    inputs instanceof Tensor && weights instanceof Tensor,
    label,
    'linear',
    'be called with a tensor and a tf.Variable',
    weights,
  );
  checkKind(
    typeof (weights as Variable).name === 'string',
    label,
    'weights of linear',
    'be a tf.Variable',
    weights,
  );
}

async function layerChanges(
  before: ForwardPass,
  after: ForwardPass,
): Promise<Record<string, LayerChange>> {
  const changes = await Promise.all(
    [...before.layers].map(async ([name, layer]) => {
      const layerAfter = after.layers.get(name);
      checkSameCalls(name, layer, layerAfter);
      return [name, await layerChange(layer, layerAfter)] as const;
    }),
  );
  return Object.fromEntries(changes);
}

function checkSameCalls(
  name: string,
  before: WatchedLayer,
  after: WatchedLayer | undefined,
): asserts after is WatchedLayer {
  const times = before.calls.length;
  const timesAfter = after?.calls.length ?? 0;
  if (times === timesAfter) return;
  const calls = `${times} ${times === 1 ? 'call' : 'calls'}`;
  throw new Error(
    `${label}: ${show(name)} was measured in ${calls} before the update ` +
      `and ${timesAfter} after it; the network must call the same layers each time`,
  );
}

const outputsOf = (calls: readonly Call[], weights: Tensor): Tensor[] =>
  calls.map(({ apply, inputs }) => apply(inputs, weights));

async function layerChange(before: WatchedLayer, after: WatchedLayer): Promise<LayerChange> {
  const { weights, calls } = before;
  const tensors = tidy(() => {
    const change = sub(after.weights, weights);
    return {
      change,
      outputs: outputsOf(calls, weights),
      changed: outputsOf(calls, change),
      outputsAfter: outputsOf(after.calls, after.weights),
    };
  });
  const { change, outputs, changed, outputsAfter } = tensors;
  try {
    const [dY, y, dW, w] = await Promise.all(
      [changed, outputs, [change], [weights]].map(jointNorm),
    );
    const [local, relativeUpdate] = [dY / y, dW / w];
    return {
      local,
      total: await relativeChange(outputs, outputsAfter),
      relativeUpdate,
      alignmentRatio: local / relativeUpdate,
    };
  } finally {
    dispose(tensors);
  }
}

/** |Y' - Y| / |Y|. */
async function relativeChange(
  before: readonly Tensor[],
  after: readonly Tensor[],
): Promise<number> {
  const differences = tidy(() => before.map((y, i) => sub(after[i], y)));
  try {
    const [change, size] = await Promise.all([jointNorm(differences), jointNorm(before)]);
    return change / size;
  } finally {
    dispose(differences);
  }
}
