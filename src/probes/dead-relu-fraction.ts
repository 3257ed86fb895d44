/** Units of a network that no sample switches on. */
import {
  all,
  any,
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
import { kindOf } from './kind-of.js';
import {
  isLayersModel,
  layersOf,
  predictWatched,
  withoutActivation,
  type LayerLike,
  type LayersModelLike,
} from './layers-model.js';

/**
 * What a plain function calls in place of `tf.relu`. Calls with one name count as one layer;
 * default 'relu0', 'relu1' ...
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
 * @param target a tfjs-layers model, or a function of the inputs that calls its second argument in
 * place of `tf.relu`.
 * @param inputs the probe set: what the model's `predictOnBatch` or the function takes. The more
 * samples, the fewer units
 *   look dead.
 * @throws for a network without ReLU, saying what to do, and where a pre-activation is not finite.
 * @see Kosson, Messmer, Jaggi, Analyzing and reducing the need for learning rate warmup (arXiv
 * 2410.23922), on large
 * first updates and dead units; Lu et al., Dying ReLU and initialization (arXiv 1903.06733), for
 * the term.
 * @example
 * const { fraction, layers } = await deadReluFraction(model, xs);
 *
 * const forward = (x, relu) => tf.matMul(relu(tf.matMul(x, w1)), w2);
 * (await deadReluFraction(forward, x)).fraction;
 */
export async function deadReluFraction<Inputs = Tensor | Tensor[]>(
  target: LayersModelLike | ReluFunction<Inputs>,
  inputs: Inputs,
): Promise<DeadReluFraction> {
  check(
    isLayersModel(target) || typeof target === 'function',
    label,
    'target',
    'be a tfjs-layers model or a function of the inputs',
    kindOf(target),
  );
  const seen = new SeenUnits();
  try {
    tidy(() => {
      if (isLayersModel(target)) watchModel(target, inputs as Tensor | Tensor[], seen);
      else watchFunction(target, inputs, seen);
    });
    if (seen.isEmpty) {
      throw new Error(
        isLayersModel(target)
          ? `${label}: the model has no ReLU, so that no unit of it can be dead; compare stableRank and representationChange instead`
          : `${label}: the function called no ReLU; let it call its second argument, relu(preActivation), in place of tf.relu`,
      );
    }
    return await seen.count();
  } finally {
    seen.dispose();
  }
}

/** Which units have been above 0, by layer. */
class SeenUnits {
  readonly #layers = new Map<string, { alive: Tensor; finite: Tensor }>();

  get isEmpty(): boolean {
    return this.#layers.size === 0;
  }

  see(name: string, preActivation: Tensor, axis: number): void {
    const units = preActivation.shape[axis];
    const known = this.#layers.get(name);
    check(
      known === undefined || known.alive.size === units,
      `${label}: ${show(name)}`,
      'units',
      `be as many as in its first call, ${known?.alive.size}`,
      units,
    );
    const others = preActivation.shape.map((_, i) => i).filter((i) => i !== axis);
    const [alive, finite] = tidy(() => {
      const now = [any(greater(preActivation, 0), others), all(isFiniteTensor(preActivation))];
      return known ? [logicalOr(known.alive, now[0]), logicalAnd(known.finite, now[1])] : now;
    });
    known?.alive.dispose();
    known?.finite.dispose();
    this.#layers.set(name, { alive: keep(alive), finite: keep(finite) });
  }

  async count(): Promise<DeadReluFraction> {
    const counted = await Promise.all(
      [...this.#layers].map(async ([name, { alive, finite }]) => {
        const [values, [valid]] = await Promise.all([alive.data<'int32'>(), finite.data()]);
        if (!valid)
          throw new Error(
            `${label}: a pre-activation of ${show(name)} is not finite; the weights have diverged, or the inputs have a number that is not finite`,
          );
        return [
          name,
          values.length - values.reduce((sum: number, value: number) => sum + value, 0),
          values.length,
        ] as const;
      }),
    );
    const share = (dead: number, units: number): DeadUnits => ({
      fraction: dead / units,
      dead,
      units,
    });
    const layers = Object.fromEntries(
      counted.map(([name, dead, units]) => [name, share(dead, units)]),
    );
    const total = (k: 1 | 2): number => counted.reduce((sum, layer) => sum + layer[k], 0);
    return { ...share(total(1), total(2)), layers };
  }

  dispose(): void {
    for (const { alive, finite } of this.#layers.values()) {
      alive.dispose();
      finite.dispose();
    }
  }
}

const isRelu = (layer: LayerLike): boolean =>
  layer.getClassName() === 'ReLU' || reluNames.has(layer.activation?.getClassName());

/**
 * Models inside a model may have layers of one name: as tfjs does for variables, those after the
 * first get _1, _2 ...
 */
function uniqueNames(layers: readonly LayerLike[]): Map<LayerLike, string> {
  const counts = new Map<string, number>();
  return new Map(
    layers.map((layer) => {
      const count = counts.get(layer.name) ?? 0;
      counts.set(layer.name, count + 1);
      return [layer, count === 0 ? layer.name : `${layer.name}_${count}`];
    }),
  );
}

function watchModel(model: LayersModelLike, inputs: Tensor | Tensor[], seen: SeenUnits): void {
  const names = uniqueNames(layersOf(model).filter(isRelu));
  predictWatched(model, inputs, [...names.keys()], (layer, given) => {
    tidy(() => {
      // What comes out of a ReLU no longer shows whether a number was not finite.
      const preActivation =
        layer.getClassName() === 'ReLU' ? given[0] : withoutActivation(layer, given);
      seen.see(
        names.get(layer)!,
        preActivation,
        layer.dataFormat === 'channelsFirst' && preActivation.rank > 2 ? 1 : preActivation.rank - 1,
      );
    });
  });
}

function watchFunction<Inputs>(f: ReluFunction<Inputs>, inputs: Inputs, seen: SeenUnits): void {
  let calls = 0;
  f(inputs, (preActivation, name = `relu${calls}`) => {
    calls++;
    check(
      preActivation instanceof Tensor && preActivation.rank > 0,
      label,
      'relu',
      'be called with a tensor of rank 1 or more',
      kindOf(preActivation),
    );
    seen.see(name, preActivation, preActivation.rank - 1);
    return relu(preActivation);
  });
}
