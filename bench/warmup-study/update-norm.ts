import type * as tf from '@tensorflow/tfjs-core';

/** Measures |w_t - w_(t-1)| over all variables, in double, from a copy of the weights of the step before. */
export class UpdateNorm {
  private constructor(private readonly variables: readonly tf.Variable[], private before: ArrayLike<number>[]) {}

  static async start(variables: readonly tf.Variable[]): Promise<UpdateNorm> {
    return new UpdateNorm(variables, await copies(variables));
  }

  /** The norm of all that changed since the last call. */
  async measure(): Promise<number> {
    const after = await copies(this.variables);
    let sum = 0;
    after.forEach((weights, i) => {
      const before = this.before[i];
      for (let k = 0; k < weights.length; k++) sum += (weights[k] - before[k]) ** 2;
    });
    this.before = after;
    return Math.sqrt(sum);
  }
}

// A backend may hand out its own array, and the next step writes into it.
const copies = (variables: readonly tf.Variable[]): Promise<ArrayLike<number>[]> =>
  Promise.all(variables.map(async (variable) => (await variable.data()).slice()));
