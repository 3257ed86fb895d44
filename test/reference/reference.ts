/** What every reference implementation is: one step on plain float64 arrays, in place. */
export type State = Record<string, Float64Array>;

/** What a step needs beside the arrays; `step` counts from 1, as papers do. */
export type StepOptions = {
  readonly learningRate: number;
  readonly weightDecay: number;
  readonly step: number;
  readonly [hyperparameter: string]: number;
};

/** One update of the weights `w` with the gradient `g`; `state` is empty before the first. */
export type Reference = (
  w: Float64Array,
  g: Float64Array,
  state: State,
  options: StepOptions,
) => void;

/** The state called `name`, zero at first. */
export const stateOf = (state: State, name: string, size: number): Float64Array =>
  (state[name] ??= new Float64Array(size));
