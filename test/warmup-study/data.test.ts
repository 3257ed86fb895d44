import { describe, expect, it } from 'vitest';
import {
  readCorpus,
  trainingBatches,
  validationBatches,
  type Corpus,
} from '../../bench/warmup-study/data.js';
import { normal } from '../../bench/support/random.js';
import { randomNumbers } from '../../src/random.js';

const shape = { batch: 4, context: 8 };
const text = Array.from({ length: 1003 }, (_, i) => 'hello, whale—'[(i * i) % 13]).join('');
const corpus = readCorpus(text, shape.context);
const decode = ({ vocabulary }: Corpus, numbers: Int32Array): string =>
  [...numbers].map((i) => vocabulary[i]).join('');
const first = (seed: number) => {
  const batches = trainingBatches(corpus, shape, seed);
  return Array.from({ length: 3 }, () => batches.next().value);
};

describe('the corpus', () => {
  it('keeps the last tenth for validation and loses nothing', () => {
    expect(corpus.validation.length).toBe(100);
    expect(decode(corpus, corpus.training) + decode(corpus, corpus.validation)).toBe(text);
  });

  it('counts a character outside the basic plane as one', () => {
    expect(readCorpus('a🐳'.repeat(100), 8).vocabulary).toEqual(['a', '🐳']);
  });

  it('refuses a text whose last tenth is shorter than a window', () => {
    expect(() => readCorpus('a'.repeat(89), 8)).toThrow(
      'study: text must have at least 90 characters, so that its last tenth fills a window of 8, got 89',
    );
    expect(readCorpus('a'.repeat(90), 8).validation.length).toBe(9);
  });
});

describe('training batches', () => {
  it('are the same for the same seed and others for another', () => {
    expect(first(1)).toEqual(first(1));
    expect(first(1)).not.toEqual(first(2));
    expect(first(1)[0]).not.toEqual(first(1)[1]);
  });

  it('are windows of the training text with the next character as target', () => {
    const training = decode(corpus, corpus.training);
    for (const { size, inputs, targets } of first(3)) {
      for (let row = 0; row < size; row++) {
        const of = (numbers: Int32Array): string =>
          decode(corpus, numbers.subarray(row * shape.context, (row + 1) * shape.context));
        expect(of(targets).slice(0, -1)).toBe(of(inputs).slice(1));
        expect(training).toContain(of(inputs) + of(targets).at(-1));
      }
    }
  });
});

describe('validation batches', () => {
  it('cover the validation text once, in order', () => {
    const batches = [...validationBatches(corpus, shape)];
    const windows = Math.floor((corpus.validation.length - 1) / shape.context);
    expect(batches.map(({ size }) => size)).toEqual([4, 4, 4]);
    expect(windows).toBe(12);
    const inputs = batches.flatMap((batch) => [...batch.inputs]);
    const targets = batches.flatMap((batch) => [...batch.targets]);
    expect(inputs).toEqual([...corpus.validation.subarray(0, 96)]);
    expect(targets).toEqual([...corpus.validation.subarray(1, 97)]);
  });
});

describe('random numbers', () => {
  it('are those of mulberry32', () => {
    const next = randomNumbers(1);
    expect([next(), next(), next()]).toEqual([
      0.6270739405881613, 0.002735721180215478, 0.5274470399599522,
    ]);
  });

  it('are normal with mean 0 and variance 1', () => {
    const next = normal(9);
    const values = Array.from({ length: 20_000 }, next);
    expect(values.reduce((sum, x) => sum + x, 0) / values.length).toBeCloseTo(0, 1);
    expect(values.reduce((sum, x) => sum + x * x, 0) / values.length).toBeCloseTo(1, 1);
  });
});
