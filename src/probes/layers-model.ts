/**
 * What the probes need of a tfjs-layers model, without importing tfjs-layers: its layers, and what
 * goes through them.
 */
import type { Tensor, Variable } from '@tensorflow/tfjs-core';

/** The keyword arguments of a call, such as `training`. */
/** Arguments by name, as tfjs-layers hands them to a layer. */
export type CallArguments = Readonly<Record<string, unknown>>;

/** A weight of a layer: tfjs-layers wraps the variable. */
export type LayerWeight = { read(): Tensor };

/** The part of a tfjs-layers `Layer` that probes use. */
export type LayerLike = {
  readonly name: string;
  getClassName(): string;
  call(inputs: Tensor | Tensor[], kwargs: CallArguments): Tensor | Tensor[];
  /** Of a model inside a model. */
  readonly layers?: readonly LayerLike[];
  /** Of a wrapper, such as TimeDistributed. */
  readonly layer?: LayerLike;
  readonly activation?: { getClassName(): string } | null;
  readonly dataFormat?: string;
  readonly kernel?: LayerWeight | null;
  readonly depthwiseKernel?: LayerWeight | null;
  readonly embeddings?: LayerWeight | null;
};

/** The part of a tfjs-layers `LayersModel` or `Sequential` that probes use. */
export type LayersModelLike = {
  readonly layers: readonly LayerLike[];
  predictOnBatch(inputs: Tensor | Tensor[]): Tensor | Tensor[];
};

export const isLayersModel = (target: unknown): target is LayersModelLike =>
  typeof target === 'object' &&
  target !== null &&
  Array.isArray((target as LayersModelLike).layers) &&
  typeof (target as LayersModelLike).predictOnBatch === 'function';

/** Every layer once, those of inner models and wrappers included. */
export function layersOf(model: LayersModelLike): LayerLike[] {
  const found = new Set<LayerLike>();
  const visit = (layer: LayerLike): void => {
    if (found.has(layer)) return;
    found.add(layer);
    layer.layers?.forEach(visit);
    if (layer.layer) visit(layer.layer);
  };
  model.layers.forEach(visit);
  return [...found];
}

export const listOf = <T>(value: T | readonly T[]): T[] =>
  Array.isArray(value) ? [...(value as readonly T[])] : [value as T];

/**
 * Predicts, and shows what goes into and comes out of each call of the given layers; the caller
 * frees the result.
 */
export function predictWatched(
  model: LayersModelLike,
  inputs: Tensor | Tensor[],
  layers: readonly LayerLike[],
  watch: (layer: LayerLike, inputs: Tensor[], outputs: Tensor[]) => void,
): Tensor[] {
  // An own property hides the method of the class; taking it away brings that back.
  for (const layer of layers) {
    const { call } = layer;
    Object.defineProperty(layer, 'call', {
      configurable: true,
      value(this: LayerLike, given: Tensor | Tensor[], kwargs: CallArguments) {
        const outputs = call.call(this, given, kwargs);
        watch(layer, listOf(given), listOf(outputs));
        return outputs;
      },
    });
  }
  try {
    return listOf(model.predictOnBatch(inputs));
  } finally {
    for (const layer of layers) delete (layer as { call?: unknown }).call;
  }
}

/** Layers whose output is linear in one weight, and where they keep it. */
const linearLayers: Readonly<Record<string, 'kernel' | 'depthwiseKernel' | 'embeddings'>> = {
  Dense: 'kernel',
  Conv1D: 'kernel',
  Conv2D: 'kernel',
  Conv3D: 'kernel',
  Conv2DTranspose: 'kernel',
  Conv3DTranspose: 'kernel',
  DepthwiseConv2D: 'depthwiseKernel',
  Embedding: 'embeddings',
};

/** A layer's weight and the linear map that it is to its inputs, without bias and activation. */
export type LinearMap = {
  readonly weights: Variable;
  readonly apply: (inputs: Tensor, weights: Tensor) => Tensor;
};

const noActivation = { value: { getClassName: () => 'linear', apply: (x: Tensor) => x } };

/** What a layer's activation is applied to. */
export const withoutActivation = (layer: LayerLike, inputs: Tensor[]): Tensor =>
  callAs(layer, { activation: noActivation }, inputs);

/**
 * Calls a layer as if some of its fields were others: a layer of the same kind, strides and padding
 * that has them.
 */
function callAs(layer: LayerLike, fields: PropertyDescriptorMap, inputs: Tensor[]): Tensor {
  // While a layer is watched, its own `call` is not that of its class.
  const { call } = Object.getPrototypeOf(layer) as LayerLike;
  const other = Object.create(layer, fields) as LayerLike;
  const [output] = listOf(call.call(other, inputs.length === 1 ? inputs[0] : inputs, {}));
  return output;
}

/** Undefined for layers that are not a linear map with one weight. */
export function linearMapOf(layer: LayerLike): LinearMap | undefined {
  const kind = linearLayers[layer.getClassName()];
  const weight = kind && layer[kind];
  if (!weight) return undefined;
  const apply = (inputs: Tensor, weights: Tensor): Tensor => {
    const fields = {
      [kind]: { value: { read: () => weights } },
      bias: { value: null },
      useBias: { value: false },
      activation: noActivation,
    };
    return callAs(layer, fields, [inputs]);
  };
  return { weights: weight.read() as Variable, apply };
}
