import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { check } from '../../src/check.js';

export const features = 14 * 14;
export const classes = 10;
const images = 5000;

/**
 * Rows of inputs, of which each column has mean 0 and all numbers together variance 1, and rows of
 * one-hot targets.
 */
export interface Images {
  samples: number;
  inputs: Float32Array;
  targets: Float32Array;
}

const path = fileURLToPath(new URL('../data/fashion-mnist-5000-14x14.bin', import.meta.url));

/** The first images of the subset of Fashion-MNIST. */
export async function readImages(samples: number): Promise<Images> {
  check(
    Number.isSafeInteger(samples) && samples >= 1 && samples <= images,
    'study',
    '--samples',
    `be a whole number from 1 to ${images}`,
    samples,
  );
  const bytes = await readFile(path);
  const labels = bytes.subarray(images * features, images * features + samples);
  const targets = new Float32Array(samples * classes);
  labels.forEach((label, i) => (targets[i * classes + label] = 1));
  return { samples, inputs: standardized(bytes.subarray(0, samples * features)), targets };
}

// The mean image would else make the network's first outputs alike for all images: it would be the
// sharpest direction.
function standardized(pixels: Uint8Array): Float32Array {
  const samples = pixels.length / features;
  const means = new Float64Array(features);
  pixels.forEach((pixel, i) => (means[i % features] += pixel / samples));
  const centered = Float64Array.from(pixels, (pixel, i) => pixel - means[i % features]);
  const deviation = Math.sqrt(centered.reduce((sum, x) => sum + x * x, 0) / centered.length);
  return Float32Array.from(centered, (x) => x / deviation);
}
