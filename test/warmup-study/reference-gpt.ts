/**
 * The character GPT in float64, row by row, as its formulas read: slow, and independent of tfjs.
 */

import type { Batch } from '../../bench/warmup-study/data.js';
import type { ModelShape } from '../../bench/warmup-study/model.js';

type Matrix = number[][];
export type Weights = Record<string, Float64Array>;

const rowsOf = (values: Float64Array, columns: number): Matrix =>
  Array.from({ length: values.length / columns }, (_, i) => [
    ...values.subarray(i * columns, (i + 1) * columns),
  ]);
const dot = (a: number[], b: number[]): number => a.reduce((sum, x, i) => sum + x * b[i], 0);
const add = (a: number[], b: number[]): number[] => a.map((x, i) => x + b[i]);
const transpose = (a: Matrix): Matrix => a[0].map((_, j) => a.map((row) => row[j]));
const multiply = (a: Matrix, b: Matrix): Matrix => {
  const columns = transpose(b);
  return a.map((row) => columns.map((column) => dot(row, column)));
};

function logSoftmax(x: number[]): number[] {
  const most = Math.max(...x);
  const logSum = most + Math.log(x.reduce((sum, value) => sum + Math.exp(value - most), 0));
  return x.map((value) => value - logSum);
}

function layerNorm(x: number[], gain: Float64Array): number[] {
  const mean = x.reduce((sum, value) => sum + value, 0) / x.length;
  const variance = x.reduce((sum, value) => sum + (value - mean) ** 2, 0) / x.length;
  return x.map((value, i) => (gain[i] * (value - mean)) / Math.sqrt(variance + 1e-5));
}

/** Attention of each row to itself and the rows before it. */
function attend(query: Matrix, key: Matrix, value: Matrix): Matrix {
  return query.map((q, i) => {
    const weights = logSoftmax(key.slice(0, i + 1).map((k) => dot(q, k) / Math.sqrt(q.length))).map(
      Math.exp,
    );
    return value[0].map((_, column) =>
      weights.reduce((sum, weight, j) => sum + weight * value[j][column], 0),
    );
  });
}

export function referenceLoss(
  weights: Weights,
  { layers, width, context }: ModelShape,
  { size, inputs, targets }: Batch,
): number {
  const embedding = rowsOf(weights.embedding, width);
  const position = rowsOf(weights.position, width);
  let sum = 0;
  for (let window = 0; window < size; window++) {
    const at = (i: number): number => window * context + i;
    let x = position.map((row, i) => add(embedding[inputs[at(i)]], row));
    for (let layer = 0; layer < layers; layer++) {
      const weight = (name: string, columns = width): Matrix =>
        rowsOf(weights[`block${layer}/${name}`], columns);
      const seen = x.map((row) => layerNorm(row, weights[`block${layer}/attention/gain`]));
      const project = (name: string): Matrix => multiply(seen, weight(`attention/${name}`));
      const attended = multiply(
        attend(project('query'), project('key'), project('value')),
        weight('attention/output'),
      );
      x = x.map((row, i) => add(row, attended[i]));
      const hidden = multiply(
        x.map((row) => layerNorm(row, weights[`block${layer}/hidden/gain`])),
        weight('hidden/up', 4 * width),
      );
      const written = multiply(
        hidden.map((row) => row.map((value) => Math.max(value, 0))),
        weight('hidden/down'),
      );
      x = x.map((row, i) => add(row, written[i]));
    }
    const logits = multiply(
      x.map((row) => layerNorm(row, weights['final/gain'])),
      transpose(embedding),
    );
    logits.forEach((row, i) => (sum -= logSoftmax(row)[targets[at(i)]]));
  }
  return sum / inputs.length;
}
