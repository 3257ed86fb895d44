import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';

export const features = 14 * 14;
export const classes = 10;
const images = 5000;

/** Rows of inputs between -1 and 1 with mean 0 over all numbers, and rows of one-hot targets. */
export interface Images {
  samples: number;
  inputs: Float32Array;
  targets: Float32Array;
}

const path = fileURLToPath(new URL('../data/fashion-mnist-5000-14x14.bin', import.meta.url));

/** The first images of the subset of Fashion-MNIST. */
export async function readImages(samples: number): Promise<Images> {
  const bytes = await readFile(path);
  if (samples > images) throw new Error(`sharpness study: samples must be at most ${images}, got ${samples}`);
  const pixels = bytes.subarray(0, samples * features);
  const mean = pixels.reduce((sum, pixel) => sum + pixel, 0) / pixels.length;
  const targets = new Float32Array(samples * classes);
  for (let i = 0; i < samples; i++) targets[i * classes + bytes[images * features + i]] = 1;
  return { samples, inputs: Float32Array.from(pixels, (pixel) => (pixel - mean) / 255), targets };
}
