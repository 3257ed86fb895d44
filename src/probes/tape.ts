/**
 * Second derivatives that are right. tfjs 4.22 records a gradient so that it can be differentiated
 * again, but loses three things on the way: without an error where others remain, as a wrong
 * number.
 *
 * An operation whose derivative uses its own output (tanh, sigmoid, exp, softmax, max ...) records
 * a copy of that output before it records itself, and derivatives through the copy are dropped
 * (tfjs issue 3252). A custom gradient that saves a value which it has computed (softmax
 * cross-entropy saves the log-probabilities) computes it unrecorded. And a derivative that compares
 * (max, clipping, ReLU6) ends in an operation without one, though that one is zero.
 */
import { clone, engine, keep, tidy, zeros, type Tensor } from '@tensorflow/tfjs-core';

type Engine = ReturnType<typeof engine>;
type CustomGradient = Parameters<Engine['customGrad']>[0];
type Tape = Engine['state']['activeTape'];

/**
 * Gradients of `f` by `xs` as the engine gives them, undefined where there is none. What `f`
 * computes may itself hold gradients, which are differentiated once more.
 */
export function gradients<T extends Tensor>(
  f: () => T,
  xs: readonly Tensor[],
): (Tensor | undefined)[] {
  const repaired = (): T => {
    const y = f();
    repairTape();
    return y;
  };
  return engine().gradients(repaired, xs as Tensor[], undefined, true).grads;
}

/**
 * Runs `f`, which calls {@link gradients}, so that they may be differentiated again; frees what
 * tfjs keeps for that, also after an error.
 */
export function differentiable<T>(f: () => T): T {
  const { state } = engine();
  const inner = state.gradientDepth > 0;
  const kept: Tensor[] = [];
  const restore = recordCustomGradients(kept);
  try {
    return f();
  } catch (error) {
    // After a success tfjs frees these itself.
    if (!inner) {
      for (const { saved } of state.activeTape ?? []) saved?.forEach((tensor) => tensor.dispose());
      state.activeTape = null as unknown as Tape;
    }
    throw error;
  } finally {
    restore();
    for (const tensor of kept) tensor.dispose();
  }
}

/**
 * Puts every node behind those that make its inputs, and gives nodes without a derivative their
 * zero where it is one.
 */
function repairTape(): void {
  const { activeTape: tape } = engine().state;
  const later = new Set(tape.flatMap(({ outputs }) => outputs.map(({ id }) => id)));
  const waiting = new Map<number, Tape>();
  const sorted: Tape = [];
  const place = (node: Tape[number]): void => {
    // A custom gradient may give its own input back.
    const missing = Object.values(node.inputs).find(
      ({ id }) => later.has(id) && node.outputs.every((output) => output.id !== id),
    );
    if (missing) {
      waiting.set(missing.id, [...(waiting.get(missing.id) ?? []), node]);
      return;
    }
    sorted.push(node);
    for (const { id } of node.outputs) {
      later.delete(id);
      const next = waiting.get(id) ?? [];
      waiting.delete(id);
      next.forEach(place);
    }
  };
  tape.forEach(place);
  tape.splice(0, tape.length, ...sorted);
  for (const node of tape) {
    if (node.gradient || node.outputs.some(({ dtype }) => dtype === 'float32')) continue;
    // Conditions and whole numbers are constant in pieces.
    node.gradient = () =>
      Object.fromEntries(
        Object.entries(node.inputs).map(([name, { shape }]) => [name, () => zeros(shape)]),
      );
  }
}

/**
 * True if the tape has a custom gradient that saves what it computed unrecorded: one that was made
 * outside of {@link differentiable}. It has a first derivative, and no second.
 */
export function savesUnrecorded(): boolean {
  const { activeTape: tape } = engine().state;
  const recorded = new Set(tape.flatMap(({ outputs }) => outputs.map(({ id }) => id)));
  const sources = new Map(
    tape.flatMap(({ inputs, outputs }) =>
      Object.values(inputs).map((x) => [outputs[0].id, x.id] as const),
    ),
  );
  return tape.some(({ saved = [], inputs, outputs }) => {
    const newest = Math.max(...Object.values(inputs).map(({ id }) => id));
    // Made between the inputs and the output, and by nothing on the tape: within the operation.
    return saved
      .map(({ id }) => sources.get(id))
      .some((id) => id !== undefined && id > newest && id < outputs[0].id && !recorded.has(id));
  });
}

/**
 * Lets custom gradients record how they compute what they save: their forward pass runs in the
 * open, and only its result goes through an operation with their gradient. What they save joins
 * `kept`.
 */
function recordCustomGradients(kept: Tensor[]): () => void {
  const tfjs = engine();
  if (Object.hasOwn(tfjs, 'customGrad')) return () => undefined;
  const original = tfjs.customGrad.bind(tfjs);
  const recorded =
    (f: CustomGradient) =>
    (...inputs: Tensor[]) => {
      const { state } = tfjs;
      if (state.gradientDepth === 0 || state.kernelDepth > 0) return original(f)(...inputs);
      const saved: Tensor[] = [];
      const save = (tensors: Tensor[]): void => {
        const copies = tensors.map((tensor) => keep(clone(tensor)));
        saved.push(...copies);
        kept.push(...copies);
      };
      const { value, gradFunc } = tidy(
        () =>
          f(...inputs, save as unknown as Tensor) as unknown as ReturnType<CustomGradient> &
            Record<string, never>,
      ) as unknown as ReturnType<CustomGradient>;
      const result = original((() => ({
        // Within an operation nothing is recorded, and so the result depends on the inputs by this
        // gradient alone.
        value: tfjs.runKernel('Identity', { x: value }) as Tensor,
        gradFunc: (dy: Tensor) => gradFunc(dy as never, saved),
      })) as unknown as CustomGradient);
      return result(...inputs);
    };
  Object.defineProperty(tfjs, 'customGrad', { configurable: true, value: recorded });
  return () => {
    delete (tfjs as { customGrad?: unknown }).customGrad;
  };
}
