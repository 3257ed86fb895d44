/** What `minimize`, `computeGradients` and `prepare` are given, checked. */
import { Tensor, Variable, type Scalar } from '@tensorflow/tfjs-core';
import { checkKind } from '../kind-of.js';

/** Throws unless it is a list of variables; a plain tensor never changes and cannot be trained. */
export function checkVariables(
  label: string,
  option: string,
  given: unknown,
): asserts given is readonly Variable[] {
  const fromModel =
    'tf.Variable; those of a model are model.trainableWeights.map((weight) => weight.read())';
  checkKind(Array.isArray(given), label, option, `be a list of ${fromModel}`, given);
  for (const [i, variable] of given.entries())
    checkKind(
      variable instanceof Variable,
      label,
      `${option}[${i}]`,
      `be a ${fromModel}`,
      variable,
    );
}

/** The same loss; throws where it gives no scalar, before any gradient is computed. */
export function checkedLoss(label: string, loss: () => Scalar): () => Scalar {
  const allowed = 'be a function that gives a scalar tensor';
  checkKind(typeof loss === 'function', label, 'the loss', allowed, loss);
  return () => {
    const value: unknown = loss();
    const isScalar = value instanceof Tensor && value.rank === 0;
    checkKind(isScalar, label, 'the loss', 'give a scalar tensor', value);
    return value as Scalar;
  };
}
