/**
 * Mends a list of callbacks of tfjs-layers in which instances of its own class, such as
 * `tf.callbacks.earlyStopping()`, stand behind a plain object. `model.fit` then wraps every callback
 * in a new one that takes its functions alone: those of an instance lose their `this` and the model.
 */
import { serialization } from '@tensorflow/tfjs-core';

/** Where a wrapper keeps the functions of what it wraps. */
const kept = {
  trainBegin: 'onTrainBegin',
  trainEnd: 'onTrainEnd',
  epochBegin: 'onEpochBegin',
  epochEnd: 'onEpochEnd',
  batchBegin: 'onBatchBegin',
  batchEnd: 'onBatchEnd',
} as const;

const setters = ['setParams', 'setModel'] as const;

type Hook = (typeof kept)[keyof typeof kept];
type Setter = (typeof setters)[number];

/** A callback of tfjs-layers, or what its class has for all of them. */
type Callback = Record<Hook, (...given: unknown[]) => Promise<void>> &
  Record<Setter, (given: unknown) => void>;

type Wrapper = Callback & Partial<Record<keyof typeof kept, Callback[Hook]>>;

/** True for the rest of the task in which {@link bindInstances} was called. */
let isBinding = false;

/**
 * Lets the instances behind a plain callback keep their `this` and get the model. To be called as
 * `model.fit` reads the plain one: it wraps the others in the same task, and hands out the model.
 * When that ends, tfjs-layers is as it was.
 */
export function bindInstances(): void {
  const base = isBinding ? undefined : callbackPrototype();
  if (!base) return;
  isBinding = true;
  const binding = new Binding(base);
  queueMicrotask(() => {
    binding.end();
    isBinding = false;
  });
}

/** The class of all callbacks, changed so that it shows which instance a wrapper is made of. */
class Binding {
  readonly #base: Callback;
  readonly #original: Pick<Callback, Setter>;
  readonly #instances = new Map<Wrapper, Callback>();
  #lastRead: Callback | undefined;

  constructor(base: Callback) {
    this.#base = base;
    this.#original = { setParams: base.setParams, setModel: base.setModel };
    const read = (instance: Callback): void => {
      this.#lastRead = instance;
    };
    const wrap = (wrapper: Wrapper): void => this.#wrap(wrapper);
    // The last line of a wrapper's constructor is `this.yield = args.onYield`. Neither has an
    // instance by itself, and both are asked of the class.
    Object.defineProperty(base, 'onYield', {
      configurable: true,
      get(this: Callback) {
        read(this);
      },
    });
    Object.defineProperty(base, 'yield', {
      configurable: true,
      set(this: Wrapper, value: unknown) {
        const attributes = { configurable: true, enumerable: true, writable: true };
        Object.defineProperty(this, 'yield', { ...attributes, value });
        wrap(this);
      },
    });
    for (const setter of setters) {
      const set = (wrapper: Wrapper, given: unknown): void => this.#set(setter, wrapper, given);
      base[setter] = function (this: Wrapper, given) {
        set(this, given);
      };
    }
  }

  /** Takes the changes of the class back. */
  end(): void {
    const base = this.#base as Partial<Record<string, unknown>>;
    Object.assign(base, this.#original);
    delete base.onYield;
    delete base.yield;
  }

  /** Binds the functions that a wrapper has, if it was made of an instance. */
  #wrap(wrapper: Wrapper): void {
    const instance = this.#lastRead;
    if (!instance) return;
    this.#lastRead = undefined;
    this.#instances.set(wrapper, instance);
    for (const [name, hook] of Object.entries(kept) as [keyof typeof kept, Hook][]) {
      // One that does nothing would make tfjs-layers wait for the device.
      const isEmpty = instance[hook] === this.#base[hook];
      wrapper[name] = isEmpty ? undefined : instance[hook].bind(instance);
    }
  }

  /** Hands what a wrapper is given to its instance, which is not asked itself. */
  #set(setter: Setter, wrapper: Wrapper, given: unknown): void {
    this.#original[setter].call(wrapper, given);
    this.#instances.get(wrapper)?.[setter](given);
  }
}

/** The part of the class of models by which that of callbacks is found. */
type ModelPrototype = { fitLoop?(...given: unknown[]): Promise<unknown> };

/**
 * What the callbacks of a tfjs-layers inherit, if one has registered its models with this
 * tfjs-core. Nothing that it registers or a model holds shows the class, but the history of a fit,
 * which is set before anything is called or waited for: this fit has no data, and ends there.
 */
function callbackPrototype(): Callback | undefined {
  const { classNameMap } = serialization.SerializationMap.getMap();
  const prototype = classNameMap.Model?.[0].prototype as ModelPrototype | undefined;
  if (!prototype?.fitLoop) return undefined;
  let found: Callback | undefined;
  const model = Object.create(prototype, {
    checkNumSamples: { value: () => 0 },
    history: {
      set(history: object) {
        found = Object.getPrototypeOf(Object.getPrototypeOf(history)) as Callback;
        throw new Error('only the history was asked for');
      },
    },
  }) as Required<ModelPrototype>;
  const [data, batchSize, epochs, verbosity] = [undefined, 1, 0, NaN];
  model.fitLoop(data, data, data, batchSize, epochs, verbosity).catch(() => undefined);
  return found;
}
