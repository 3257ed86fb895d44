import { basename } from 'node:path';
import { readFile } from 'node:fs/promises';
import type { StepListener } from '../support/progress.js';
import { readCorpus, validationFraction } from './data.js';
import { experiments } from './experiments.js';
import type { Settings } from './options.js';
import { train, type Run, type TrainingShape } from './train.js';

/** Everything that is reported, as it stands in study.json. */
export interface Study {
  config: {
    learningRate: number;
    steps: number;
    seeds: number[];
    optimizers: string[];
    backend: string;
    text: string;
    vocabularySize: number;
    validationFraction: number;
    model: TrainingShape;
  };
  runs: Run[];
}

export const studyShape: TrainingShape = { layers: 2, width: 48, context: 32, batch: 16 };

export const chosenExperiments = ({ optimizers }: Settings) =>
  experiments.filter(({ optimizer }) => optimizers.includes(optimizer));

export async function runStudy(
  settings: Settings,
  onStep: StepListener,
  shape = studyShape,
): Promise<Study> {
  const { learningRate, steps, seeds, optimizers, backend, text } = settings;
  const corpus = readCorpus(await readText(text), shape.context);
  const runs: Run[] = [];
  for (const seed of seeds) {
    for (const experiment of chosenExperiments(settings)) {
      const { name } = experiment;
      runs.push(
        await train(experiment, { corpus, shape, learningRate, steps, seed }, (step, loss) =>
          onStep({ name, seed }, step, loss),
        ),
      );
    }
  }
  return {
    config: {
      learningRate,
      steps,
      seeds,
      optimizers,
      backend,
      text: basename(text),
      vocabularySize: corpus.vocabulary.length,
      validationFraction,
      model: shape,
    },
    runs,
  };
}

async function readText(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    throw new Error(
      `study: --text must name a readable file, got '${path}' (${(error as NodeJS.ErrnoException).code})`,
      { cause: error },
    );
  }
}
