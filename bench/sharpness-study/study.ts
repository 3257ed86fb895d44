import type { ProbeRecorder } from '../../src/probes/index.js';
import type { Progress } from '../support/progress.js';
import { readImages } from './data.js';
import { eventsOf, type Events } from './events.js';
import { experiments, nameOf, type Experiment } from './experiments.js';
import type { Settings } from './options.js';
import { train } from './train.js';

export interface Run extends Experiment, Events {
  name: string;
  initialSharpness: number;
  peakRate: number;
  seconds: number;
  recorder: ProbeRecorder;
}

/** Everything that is reported, as it stands in sharpness.json. */
export interface Study {
  config: Omit<Settings, 'report'>;
  runs: Run[];
}

export async function runStudy(
  settings: Settings,
  progress: Pick<Progress, 'step' | 'skip'>,
  chosen: readonly Experiment[] = experiments,
): Promise<Study> {
  const { report: _, ...config } = settings;
  const { seed, steps, width, every } = config;
  const images = await readImages(config.samples);
  const runs: Run[] = [];
  for (const experiment of chosen) {
    const name = nameOf(experiment);
    const start = performance.now();
    const training = await train(experiment, { images, width, seed, steps, every }, (step, loss) =>
      progress.step({ name }, step, loss),
    );
    progress.skip(steps - training.recorder.steps.length);
    runs.push({
      name,
      ...experiment,
      ...training,
      ...eventsOf(training.recorder),
      seconds: (performance.now() - start) / 1000,
    });
  }
  return { config, runs };
}
