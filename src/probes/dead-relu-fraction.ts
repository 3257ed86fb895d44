/** Units of a network that no sample switches on. */
import {
  all,
  any,
  dispose,
  greater,
  isFinite as isFiniteTensor,
  keep,
  logicalAnd,
  logicalOr,
  relu,
  Tensor,
  tidy,
} from '@tensorflow/tfjs-core';
import { check, show } from '../check.js';
import { checkKind } from '../kind-of.js';
import {
  isLayersModel,
  layersOf,
  predictWatched,
  withoutActivation,
  type LayerLike,
  type LayersModelLike,
} from './layers-model.js';

/**
 * What a plain function calls in place of `tf.relu`. Calls with one name count as one layer; calls
 * without a name are 'relu0', 'relu1' ... by their number.
 */
export type ReluCall = (preActivation: Tensor, name?: string) => Tensor;

/** A plain function that calls its second argument in place of `tf.relu`. */
export type ReluFunction<Inputs> = (inputs: Inputs, relu: ReluCall) => unknown;

/** Dead units and all units. */
export type DeadUnits = {
  /** dead / units, between 0 and 1. */
  readonly fraction: number;
  readonly dead: number;
  readonly units: number;
};

/** What {@link deadReluFraction} counted: all units together, and by layer. */
export type DeadReluFraction = DeadUnits & { readonly layers: Readonly<Record<string, DeadUnits>> };

const label = 'deadReluFraction';

/** Both are flat at 0 and below. */
const reluNames: ReadonlySet<string | undefined> = new Set(['relu', 'relu6']);

/**
 * The share of dead ReLU units: those whose pre-activation is <= 0 on every sample and at every
 * position of a probe set.
 *
 * A dead unit gets no gradient and rarely comes back; a first update that is too large can kill
 * many. Units are counted along the last axis of a layer's output (the channels of a convolution,
 * also where they come first). Of a tfjs-layers model all layers with the activation 'relu' or
 * 'relu6' are counted, and ReLU and Activation layers, in inference mode.
 *
 * @param target - A tfjs-layers model, or a function of the inputs that calls its second argument
 *   in place of `tf.relu`.
 * @param inputs - The probe set: what the model's `predictOnBatch` or the function takes. The more
 *   samples, the fewer units look dead.
 * @returns Dead units and all units, together and by layer.
 * @throws {Error} if the network has no ReLU, saying what to do, or a pre-activation is not finite.
 * @see {@link https://arxiv.org/abs/2410.23922 | Kosson, Messmer and Jaggi, Analyzing and reducing
 *   the need for learning rate warmup}, on large first updates and dead units
 * @see {@link https://arxiv.org/abs/1903.06733 | Lu et al., Dying ReLU and initialization}, for the
 *   term
 * @example
 * const { fraction, layers } = await deadReluFraction(model, xs);
 *
 * const forward = (x, relu) => tf.matMul(relu(tf.matMul(x, w1)), w2);
 * const { units } = await deadReluFraction(forward, x);
 * units; // 4
 */
export async function deadReluFraction<Inputs = Tensor | Tensor[]>(
  target: LayersModelLike | ReluFunction<Inputs>,
  inputs: Inputs,
): Promise<DeadReluFraction> {
  const isModel = isLayersModel(target);
  checkKind(
    isModel || typeof target === 'function',
    label,
    'target',
    'be a tfjs-layers model or a function of the inputs',
    target,
  );
  const seen = new SeenUnits();
  try {
    tidy(() => {
      if (isModel) watchModel(target, inputs as Tensor | Tensor[], seen);
      else watchFunction(target, inputs, seen);
    });
    if (seen.isEmpty) throw new Error(`${label}: ${noRelu(isModel)}`);
    return await seen.count();
  } finally {
    seen.dispose();
  }
}

const noRelu = (isModel: boolean): string =>
  isModel
    ? 'the model has no ReLU, so that no unit of it can be dead; ' +
      'compare stableRank and representationChange instead'
    : 'the function called no ReLU; ' +
      'let it call its second argument, relu(preActivation), in place of tf.relu';

/** Of a layer: for each unit whether it has been above 0, and whether all numbers were finite. */
type SeenLayer = { readonly alive: Tensor; readonly finite: Tensor };

/** Which units have been above 0, by layer. */
class SeenUnits {
  readonly #layers = new Map<string, SeenLayer>();

  get isEmpty(): boolean {
    return this.#layers.size === 0;
  }

  /** Takes in a call of a layer whose units are along the axis. */
  add(name: string, preActivation: Tensor, axis: number): void {
    const units = preActivation.shape[axis];
    const known = this.#layers.get(name);
    check(
      known === undefined || known.alive.size === units,
      `${label}: ${show(name)}`,
      'units',
      `be as many as in its first call, ${known?.alive.size}`,
      units,
    );
    const otherAxes = preActivation.shape.map((_, i) => i).filter((i) => i !== axis);
    const { alive, finite } = tidy(() => {
      const now = {
        alive: any(greater(preActivation, 0), otherAxes),
        finite: all(isFiniteTensor(preActivation)),
      };
      if (!known) return now;
      return {
        alive: logicalOr(known.alive, now.alive),
        finite: logicalAnd(known.finite, now.finite),
      };
    });
    if (known) dispose({ ...known });
    this.#layers.set(name, { alive: keep(alive), finite: keep(finite) });
  }

  async count(): Promise<DeadReluFraction> {
    const names = [...this.#layers.keys()];
    const layers = await Promise.all(names.map((name) => this.#countLayer(name)));
    const total = deadUnits(
      layers.reduce((sum, { dead }) => sum + dead, 0),
      layers.reduce((sum, { units }) => sum + units, 0),
    );
    return { ...total, layers: Object.fromEntries(names.map((name, i) => [name, layers[i]])) };
  }

  dispose(): void {
    for (const layer of this.#layers.values()) dispose({ ...layer });
  }

  async #countLayer(name: string): Promise<DeadUnits> {
    const { alive, finite } = this.#layers.get(name)!;
    const [aliveUnits, [isFinite]] = await Promise.all([alive.data(), finite.data()]);
    if (!isFinite)
      throw new Error(
        `${label}: a pre-activation of ${show(name)} is not finite; ` +
          'the weights have diverged, or the inputs have a number that is not finite',
      );
    const units = aliveUnits.length;
    return deadUnits(units - aliveUnits.filter((isAlive) => isAlive).length, units);
  }
}

const deadUnits = (dead: number, units: number): DeadUnits => ({
  fraction: dead / units,
  dead,
  units,
});

const isRelu = (layer: LayerLike): boolean =>
  layer.getClassName() === 'ReLU' || reluNames.has(layer.activation?.getClassName());

/**
 * Models inside a model may have layers of one name: as tfjs does for variables, those after the
 * first get _1, _2 ...
 */
function uniqueNames(layers: readonly LayerLike[]): Map<LayerLike, string> {
  const counts = new Map<string, number>();
  const names = new Map<LayerLike, string>();
  for (const layer of layers) {
    const count = counts.get(layer.name) ?? 0;
    counts.set(layer.name, count + 1);
    names.set(layer, count === 0 ? layer.name : `${layer.name}_${count}`);
  }
  return names;
}

function watchModel(model: LayersModelLike, inputs: Tensor | Tensor[], seen: SeenUnits): void {
  const names = uniqueNames(layersOf(model).filter(isRelu));
  const watch = (layer: LayerLike, given: Tensor[]): void => {
    // What comes out of a ReLU no longer shows whether a number was not finite.
    const preActivation =
      layer.getClassName() === 'ReLU' ? given[0] : withoutActivation(layer, given);
    seen.add(names.get(layer)!, preActivation, unitAxis(layer, preActivation.rank));
  };
  predictWatched(model, inputs, [...names.keys()], (layer, given) =>
    tidy(() => watch(layer, given)),
  );
}

const unitAxis = ({ dataFormat }: LayerLike, rank: number): number =>
  dataFormat === 'channelsFirst' && rank > 2 ? 1 : rank - 1;

function watchFunction<Inputs>(f: ReluFunction<Inputs>, inputs: Inputs, seen: SeenUnits): void {
  let calls = 0;
  f(inputs, (preActivation, name = `relu${calls}`) => {
    calls++;
    checkKind(
      preActivation instanceof Tensor && preActivation.rank > 0,
      label,
      'relu',
      'be called with a tensor of rank 1 or more',
      preActivation,
    );
    seen.add(name, preActivation, preActivation.rank - 1);
    return relu(preActivation);
  });
}
