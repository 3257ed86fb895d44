/**
 * Second derivatives that are right. tfjs 4.22 records a gradient so that it can be differentiated
 * again, but loses four things on the way: without an error where others remain, as a wrong
 * number.
 *
 * 1. An operation whose derivative uses its own output (tanh, sigmoid, exp, softmax, max ...)
 *    records a copy of that output before it records itself, and derivatives through the copy are
 *    dropped (tfjs issue 3252).
 * 2. A custom gradient that saves a value which it has computed (softmax cross-entropy saves the
 *    log-probabilities) computes it unrecorded.
 * 3. A derivative that compares (max, clipping, ReLU6) ends in an operation without a derivative,
 *    though that derivative is zero.
 * 4. A fused kernel (that of a dense layer, for one) records the bias that it was not given as an
 *    input, which has no id.
 */
import {
  clone,
  engine,
  keep,
  tidy,
  zeros,
  type GradSaveFunc,
  type Tensor,
} from '@tensorflow/tfjs-core';

type Engine = ReturnType<typeof engine>;
type Tape = Engine['state']['activeTape'];
type TapeNode = Tape[number];

/** What tfjs calls a function with a gradient of its own, with its types spelled out. */
type CustomGradient<T extends Tensor> = (...inputs: (Tensor | GradSaveFunc)[]) => {
  value: T;
  gradFunc: (dy: T, saved: Tensor[]) => Tensor | Tensor[];
};

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
  const isInner = engine().state.gradientDepth > 0;
  const kept: Tensor[] = [];
  const restore = recordCustomGradients(kept);
  try {
    return f();
  } catch (error) {
    // After a success tfjs frees the tape itself.
    if (!isInner) dropTape();
    throw error;
  } finally {
    restore();
    for (const tensor of kept) tensor.dispose();
  }
}

function dropTape(): void {
  const state: { activeTape: Tape | null } = engine().state;
  for (const { saved } of state.activeTape ?? []) saved?.forEach((tensor) => tensor.dispose());
  state.activeTape = null;
}

/** The operations so far, without the inputs that a fused kernel was not given. */
function recordedTape(): Tape {
  const { activeTape: tape } = engine().state;
  for (const node of tape) {
    const inputs: [string, Tensor | undefined][] = Object.entries(node.inputs);
    node.inputs = Object.fromEntries(inputs.filter(hasTensor));
  }
  return tape;
}

const hasTensor = (input: [string, Tensor | undefined]): input is [string, Tensor] =>
  input[1] !== undefined;

/**
 * Puts every node behind those that make its inputs, and gives nodes without a derivative their
 * zero where it is one.
 */
function repairTape(): void {
  const tape = recordedTape();
  tape.splice(0, tape.length, ...new TapeSorter(tape).sorted);
  for (const node of tape) {
    const isConstantInPieces = node.outputs.every(({ dtype }) => dtype !== 'float32');
    if (!node.gradient && isConstantInPieces) node.gradient = () => zeroGradients(node);
  }
}

/** The gradient of conditions and whole numbers, which are constant in pieces. */
function zeroGradients({ inputs }: TapeNode): Record<string, () => Tensor> {
  const gradients: Record<string, () => Tensor> = {};
  for (const [name, { shape }] of Object.entries(inputs)) gradients[name] = () => zeros(shape);
  return gradients;
}

/** The nodes of a tape, each behind those that make its inputs; otherwise in their order. */
class TapeSorter {
  readonly sorted: Tape = [];
  /** The tensors that are made by nodes not yet in place. */
  readonly #unmade: Set<number>;
  /** Nodes by the tensor that they wait for. */
  readonly #waiting = new Map<number, TapeNode[]>();

  constructor(tape: Tape) {
    this.#unmade = outputIds(tape);
    for (const node of tape) this.#place(node);
  }

  #place(node: TapeNode): void {
    const missing = Object.values(node.inputs).find((input) => this.#waitsFor(node, input));
    if (missing) {
      this.#waiting.set(missing.id, [...(this.#waiting.get(missing.id) ?? []), node]);
      return;
    }
    this.sorted.push(node);
    for (const { id } of node.outputs) this.#release(id);
  }

  #waitsFor({ outputs }: TapeNode, { id }: Tensor): boolean {
    // A custom gradient may give its own input back.
    return this.#unmade.has(id) && outputs.every((output) => output.id !== id);
  }

  /** Places the nodes that waited for a tensor. */
  #release(id: number): void {
    this.#unmade.delete(id);
    const nodes = this.#waiting.get(id) ?? [];
    this.#waiting.delete(id);
    for (const node of nodes) this.#place(node);
  }
}

const outputIds = (tape: Tape): Set<number> =>
  new Set(tape.flatMap(({ outputs }) => outputs.map(({ id }) => id)));

/**
 * True if the tape has a custom gradient that saves what it computed unrecorded: one that was made
 * outside of {@link differentiable}. It has a first derivative, and no second.
 */
export function savesUnrecorded(): boolean {
  const tape = recordedTape();
  const recorded = outputIds(tape);
  const sources = new Map(tape.flatMap(sourcesOf));
  return tape.some(({ saved = [], inputs, outputs }) => {
    const newest = Math.max(...Object.values(inputs).map(({ id }) => id));
    // Made between the inputs and the output, and by nothing on the tape: within the operation.
    const isUnrecorded = (id: number | undefined): boolean =>
      id !== undefined && id > newest && id < outputs[0].id && !recorded.has(id);
    return saved.some(({ id }) => isUnrecorded(sources.get(id)));
  });
}

/** The output of a node with each of its inputs: of a copy, the tensor that it is a copy of. */
const sourcesOf = ({ inputs, outputs }: TapeNode): [output: number, input: number][] =>
  Object.values(inputs).map((input) => [outputs[0].id, input.id]);

/**
 * Lets custom gradients record how they compute what they save: their forward pass runs in the
 * open, and only its result goes through an operation with their gradient. What they save joins
 * `kept`.
 *
 * @returns A function that takes the replacement back.
 */
function recordCustomGradients(kept: Tensor[]): () => void {
  const tfjs = engine();
  if (Object.hasOwn(tfjs, 'customGrad')) return () => undefined;
  const original: Engine['customGrad'] = tfjs.customGrad.bind(tfjs);
  const replacement: Engine['customGrad'] =
    (f) =>
    (...inputs) => {
      const { gradientDepth, kernelDepth } = tfjs.state;
      const isRecording = gradientDepth > 0 && kernelDepth === 0;
      return original(isRecording ? withOpenForwardPass(f, inputs, kept) : f)(...inputs);
    };
  // An own property hides the method of the class; taking it away brings that back.
  Object.defineProperty(tfjs, 'customGrad', { configurable: true, value: replacement });
  return () => {
    delete (tfjs as { customGrad?: unknown }).customGrad;
  };
}

/** Runs the forward pass of `f` now; gives a function with its value and its gradient. */
function withOpenForwardPass<T extends Tensor>(
  f: CustomGradient<T>,
  inputs: readonly (Tensor | GradSaveFunc)[],
  kept: Tensor[],
): CustomGradient<T> {
  const saved: Tensor[] = [];
  const save = (tensors: Tensor[]): void => {
    const copies = tensors.map((tensor) => keep(clone(tensor)));
    saved.push(...copies);
    kept.push(...copies);
  };
  let gradient!: ReturnType<CustomGradient<T>>['gradFunc'];
  const value = tidy(() => {
    const result = f(...inputs, save);
    gradient = result.gradFunc;
    return result.value;
  });
  return () => ({
    // Within an operation nothing is recorded, and so the result depends on the inputs by this
    // gradient alone.
    value: engine().runKernel('Identity', { x: value }) as T,
    gradFunc: (dy) => gradient(dy, saved),
  });
}
