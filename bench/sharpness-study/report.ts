import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Page } from '../support/page.js';
import { divergence, lateSteps, leastRise } from './events.js';
import { drawRun } from './plots.js';
import type { Study } from './study.js';
import { cells, header } from './table.js';
import { earlySteps } from './train.js';

/** Writes sharpness.json and sharpness.html. */
export async function writeReport(study: Study, folder: string): Promise<void> {
  await mkdir(folder, { recursive: true });
  await Promise.all([
    writeFile(join(folder, 'sharpness.json'), `${JSON.stringify(study, undefined, 1)}\n`),
    writeFile(join(folder, 'sharpness.html'), page(study)),
  ]);
}

function page({ config, runs }: Study): string {
  const { samples, width, steps, seed, every, backend } = config;
  const page = new Page('Sharpness with and without warmup');
  page.paragraph(
    `Gradient descent on all of ${samples} images of Fashion-MNIST (14 x 14, less the mean image, ` +
      `then divided by the standard deviation of all numbers) for ${steps} steps, on the ${backend} ` +
      `backend. The network has 3 hidden layers of ${width} ReLU units and no biases; the loss is ` +
      'half the squared distance to the one-hot target, mean over the images. Weights are normal ' +
      'with a variance of 2 / fan-in, those of the last layer of 1 / fan-in (SP) or 1 / fan-in^2 ' +
      `(muP-like), from seed ${seed}. The peak rate is c / lambda_0, lambda_0 the sharpness (the ` +
      "largest eigenvalue of the loss's Hessian) of these first weights. What is unstable is above " +
      '2 / eta, eta the rate of the step.',
  );
  page.table(header, runs.map(cells));
  page.paragraph(
    `The sharpness is measured every ${every} steps, after step ${earlySteps} every ${2 * every}. ` +
      `A run has diverged at the first step whose loss is not below ${divergence} times the first ` +
      'one, and ends there. A catapult is the largest rise of the loss above its lowest value so ' +
      `far, of a factor of at least ${leastRise}, from which it recovers: the loss before, the peak ` +
      `and its step. Sharpness and 2 / eta at the end are medians over the last ${lateSteps} steps.`,
  );
  for (const run of runs) {
    const { loss, sharpness } = drawRun(run);
    page.heading(run.name);
    page.drawing(loss);
    page.drawing(sharpness);
  }
  return page.toString();
}
