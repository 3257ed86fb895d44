import * as tf from '@tensorflow/tfjs-core';
import type { Batch } from './data.js';
import { matmul } from '../support/matmul.js';
import { normal } from '../support/random.js';

export interface ModelShape {
  layers: number;
  width: number;
  context: number;
}

/**
 * 0.02 sqrt(768 / width): 0.08 at width 48, what GPT-2's standard deviation of 0.02 at width 768
 * becomes in a narrow model.
 */
export const initialDeviation = (width: number): number => 0.02 * Math.sqrt(768 / width);

/**
 * 1 / sqrt(2 layers) on the matrices that write to the residual stream, as in GPT-2 (section 2.3):
 * each layer adds to it twice.
 */
export const residualScale = (layers: number): number => 1 / Math.sqrt(2 * layers);

/**
 * A character GPT in the manner of GPT-2 without biases: layer norm before each block, one head,
 * ReLU, positions learned, the embedding tied to the output. Embedding and loss work on one-hot
 * rows, since wasm has no kernel for the gradient of gather.
 */
export class CharacterModel {
  readonly variables: tf.Variable[] = [];
  private readonly embedding: tf.Variable;
  private readonly position: tf.Variable;
  private readonly blocks: Block[];
  private readonly finalGain: tf.Variable;
  /** 0 where position i may look at j <= i, a large negative number elsewhere. */
  private readonly mask: tf.Tensor;

  constructor(
    private readonly shape: ModelShape,
    private readonly vocabularySize: number,
    seed: number,
  ) {
    const { layers, width, context } = shape;
    const next = normal(seed);
    const matrix = (name: string, rows: number, columns: number, scale = 1): tf.Variable =>
      this.add(
        name,
        tf.tensor2d(
          Float32Array.from(
            { length: rows * columns },
            () => scale * initialDeviation(width) * next(),
          ),
          [rows, columns],
        ),
      );
    const gain = (name: string): tf.Variable => this.add(name, tf.ones([width]));

    this.embedding = matrix('embedding', vocabularySize, width);
    this.position = matrix('position', context, width);
    this.blocks = Array.from({ length: layers }, (_, i) => ({
      attentionGain: gain(`block${i}/attention/gain`),
      query: matrix(`block${i}/attention/query`, width, width),
      key: matrix(`block${i}/attention/key`, width, width),
      value: matrix(`block${i}/attention/value`, width, width),
      output: matrix(`block${i}/attention/output`, width, width, residualScale(layers)),
      hiddenGain: gain(`block${i}/hidden/gain`),
      up: matrix(`block${i}/hidden/up`, width, 4 * width),
      down: matrix(`block${i}/hidden/down`, 4 * width, width, residualScale(layers)),
    }));
    this.finalGain = gain('final/gain');
    this.mask = tf.tensor2d(
      Float32Array.from({ length: context * context }, (_, k) =>
        k % context <= Math.floor(k / context) ? 0 : -1e9,
      ),
      [context, context],
    );
  }

  /** Mean cross-entropy of the next character, in nats. */
  loss(batch: Batch): tf.Scalar {
    return tf.tidy(() => {
      const logProbability = tf.sum(
        tf.mul(tf.logSoftmax(this.logits(batch)), this.oneHot(batch.targets)),
      );
      return tf.mul(logProbability, -1 / batch.targets.length) as tf.Scalar;
    });
  }

  /** What goes into the softmax; `project` computes queries, keys and values. */
  logits({ size, inputs }: Batch, project: Project = matmul as Project): tf.Tensor2D {
    const { context, width } = this.shape;
    const rows = [size, context, width] as [number, number, number];
    let x = tf
      .add(
        tf.reshape(matmul(this.oneHot(inputs), this.embedding as tf.Tensor2D), rows),
        this.position,
      )
      .reshape([size * context, width]) as tf.Tensor2D;
    for (const block of this.blocks) {
      x = tf.add(x, this.attention(layerNorm(x, block.attentionGain), block, rows, project));
      const hidden = tf.relu(matmul(layerNorm(x, block.hiddenGain), block.up as tf.Tensor2D));
      x = tf.add(x, matmul(hidden, block.down as tf.Tensor2D));
    }
    return matmul(layerNorm(x, this.finalGain), tf.transpose(this.embedding) as tf.Tensor2D);
  }

  /** The query, key and value matrices. */
  get projections(): tf.Variable[] {
    return this.blocks.flatMap(({ query, key, value }) => [query, key, value]);
  }

  get parameterCount(): number {
    return this.variables.reduce((sum, variable) => sum + variable.size, 0);
  }

  dispose(): void {
    tf.dispose([...this.variables, this.mask]);
  }

  private oneHot(numbers: Int32Array): tf.Tensor2D {
    return tf.oneHot(tf.tensor1d(numbers, 'int32'), this.vocabularySize).toFloat() as tf.Tensor2D;
  }

  /** softmax(q k' / sqrt(width) + mask) v, one window at a time. */
  private attention(
    x: tf.Tensor2D,
    block: Block,
    rows: [number, number, number],
    project: Project,
  ): tf.Tensor2D {
    const projected = (weight: tf.Variable): tf.Tensor3D => tf.reshape(project(x, weight), rows);
    const scores = tf.matMul(projected(block.query), projected(block.key), false, true);
    const attended = tf.softmax(tf.add(tf.mul(scores, 1 / Math.sqrt(this.shape.width)), this.mask));
    return matmul(
      tf.reshape(tf.matMul(attended, projected(block.value)), x.shape),
      block.output as tf.Tensor2D,
    );
  }

  private add(name: string, initial: tf.Tensor): tf.Variable {
    const variable = tf.variable(initial, true, name);
    initial.dispose();
    this.variables.push(variable);
    return variable;
  }
}

type Project = (x: tf.Tensor2D, weight: tf.Variable) => tf.Tensor2D;

type Block = Record<
  'attentionGain' | 'query' | 'key' | 'value' | 'output' | 'hiddenGain' | 'up' | 'down',
  tf.Variable
>;

function layerNorm(x: tf.Tensor2D, gain: tf.Variable): tf.Tensor2D {
  const centred = tf.sub(x, tf.mean(x, -1, true));
  const variance = tf.mean(tf.square(centred), -1, true);
  return tf.mul(tf.mul(centred, tf.rsqrt(tf.add(variance, 1e-5))), gain);
}
