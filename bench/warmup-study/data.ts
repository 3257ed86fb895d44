import { randomNumbers } from '../../src/random.js';

/** A text as character numbers, its last tenth kept for validation. */
export interface Corpus {
  vocabulary: string[];
  training: Int32Array;
  validation: Int32Array;
}

/**
 * `size` windows of `context` characters, row after row, and the character that follows each
 * position.
 */
export interface Batch {
  size: number;
  inputs: Int32Array;
  targets: Int32Array;
}

export const validationFraction = 0.1;

export function readCorpus(text: string, context: number): Corpus {
  const characters = Array.from(text);
  const vocabulary = [...new Set(characters)].sort();
  const numbers = new Map(vocabulary.map((character, i) => [character, i]));
  const encoded = Int32Array.from(characters, (character) => numbers.get(character)!);
  const split = encoded.length - Math.floor(encoded.length * validationFraction);
  const least = Math.ceil((context + 1) / validationFraction);
  if (encoded.length < least) {
    throw new Error(
      `study: text must have at least ${least} characters, so that its last tenth fills a window ` +
        `of ${context}, got ${encoded.length}`,
    );
  }
  return { vocabulary, training: encoded.subarray(0, split), validation: encoded.subarray(split) };
}

/** Random windows without end: the same ones for the same seed. */
export function* trainingBatches(
  { training }: Corpus,
  shape: { batch: number; context: number },
  seed: number,
): Generator<Batch, never> {
  const next = randomNumbers(seed);
  for (;;) {
    yield gather(
      training,
      Array.from({ length: shape.batch }, () =>
        Math.floor(next() * (training.length - shape.context)),
      ),
      shape.context,
    );
  }
}

/** Every window of the validation text once, end to end, so that the loss has no sampling noise. */
export function* validationBatches(
  { validation }: Corpus,
  shape: { batch: number; context: number },
): Generator<Batch> {
  const windows = Math.floor((validation.length - 1) / shape.context);
  for (let first = 0; first < windows; first += shape.batch) {
    const size = Math.min(shape.batch, windows - first);
    yield gather(
      validation,
      Array.from({ length: size }, (_, i) => (first + i) * shape.context),
      shape.context,
    );
  }
}

function gather(text: Int32Array, starts: number[], context: number): Batch {
  const inputs = new Int32Array(starts.length * context);
  const targets = new Int32Array(starts.length * context);
  starts.forEach((start, row) => {
    inputs.set(text.subarray(start, start + context), row * context);
    targets.set(text.subarray(start + 1, start + context + 1), row * context);
  });
  return { size: starts.length, inputs, targets };
}
