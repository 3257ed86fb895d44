/** A loss as a function of variables, and its gradient. */
import { engine, tidy, Variable, zerosLike, type Scalar, type Tensor } from '@tensorflow/tfjs-core';
import { check, show } from '../check.js';
import { checkKind } from '../kind-of.js';
import { differentiable, gradients } from './tape.js';

/**
 * The loss as a function of variables that it reads: the same number whenever it is asked with the
 * same weights.
 */
export type Loss = () => Scalar;

/** A loss that is differentiated by some variables. */
export type Objective = {
  /** Who asks, for error messages. */
  readonly label: string;
  readonly loss: Loss;
  readonly variables: readonly Variable[];
};

/** Throws unless the loss is a function and the variables can be differentiated by. */
export function checkObjective({ label, loss, variables }: Objective): void {
  check(typeof loss === 'function', label, 'loss', 'be a function that gives a scalar', loss);
  check(
    Array.isArray(variables) && variables.length > 0,
    label,
    'variables',
    'be an array of at least one tf.Variable',
    variables,
  );
  variables.forEach((variable: unknown, i) => {
    const option = `variables[${i}]`;
    checkKind(variable instanceof Variable, label, option, 'be a tf.Variable', variable);
    const { name, isDisposed, dtype } = variable;
    check(!isDisposed, label, option, 'not be disposed', name);
    check(dtype === 'float32', `${label}: variable ${show(name)}`, 'dtype', "be 'float32'", dtype);
    check(variables.indexOf(variable) === i, label, option, 'differ from those before it', name);
  });
}

/**
 * The gradient, with zeros for variables on which the loss does not depend; the tensors are the
 * caller's.
 */
export function gradientsOf(objective: Objective): Tensor[] {
  return tidy(() => {
    const found = differentiable(() => firstGradients(objective));
    return objective.variables.map((variable, i) => found[i] ?? zerosLike(variable));
  });
}

/**
 * The gradient, to be called within `differentiable`, with `undefined` for variables on which the
 * loss does not depend: on a tape, zeros would pass for a result of theirs.
 */
export function firstGradients({ label, loss, variables }: Objective): (Tensor | undefined)[] {
  const scalarLoss = (): Scalar => {
    const value = loss();
    check(value?.rank === 0, label, 'loss', 'give a scalar', value?.shape);
    return value;
  };
  return withReasons(() => gradients(scalarLoss, variables), {
    noDerivative: (operation) =>
      `${label}: the loss has no gradient, since tfjs has no derivative of ${operation}`,
    noKernel: (operation) =>
      `${label}: the ${engine().backendName} backend cannot compute ${operation}, ` +
      'which the loss or its gradient uses; choose another backend',
  });
}

/** What an error says where tfjs cannot do an operation. */
export type Reasons = {
  readonly noDerivative: (operation: string) => string;
  readonly noKernel: (operation: string) => string;
};

/**
 * Runs `f`; where tfjs's own error says which operation has no derivative or no kernel, the error
 * says what can be done.
 */
export function withReasons<T>(f: () => T, { noDerivative, noKernel }: Reasons): T {
  try {
    return f();
  } catch (error) {
    const text = error instanceof Error ? error.message : '';
    const derivative = /gradient function not found for (\w+)/.exec(text)?.[1];
    const kernel = /Kernel '(\w+)' not registered for backend/.exec(text)?.[1];
    if (derivative) throw new Error(noDerivative(derivative), { cause: error });
    if (kernel) throw new Error(noKernel(kernel), { cause: error });
    throw error;
  }
}
