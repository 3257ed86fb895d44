/** What `minimize`, `computeGradients` and `prepare` are given, checked. */
import { Tensor, Variable, type Scalar } from '@tensorflow/tfjs-core';
import { checkKind } from '../kind-of.js';

/** Throws unless it is a list of variables; a plain tensor never changes and cannot be trained. */
export function checkVariables(
  label: string,
  option: string,
  given: unknown,
): asserts given is readonly Variable[] {
  const isList = Array.isArray(given);
  const wrong: unknown = isList ? given.findIndex((item) => !(item instanceof Variable)) : 0;
  checkKind(
    wrong === -1,
    label,
    option,
    'be a list of tf.Variable; of a model: model.trainableWeights.map((weight) => weight.read())',
    isList ? given[wrong as number] : given,
  );
}

/** The same loss; throws where it gives no scalar, before any gradient is computed. */
export function checkedLoss(label: string, loss: () => Scalar): () => Scalar {
  const checkValue = (valid: boolean, value: unknown): void =>
    checkKind(valid, label, 'the loss', 'be a function that gives a scalar', value);
  checkValue(typeof loss === 'function', loss);
  return () => {
    const value = loss();
    checkValue((value as Tensor | undefined)?.rank === 0, value);
    return value;
  };
}
