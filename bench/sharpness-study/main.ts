import { stopBackend, useBackend } from '../support/backend.js';
import { runProgram } from '../support/command-line.js';
import { showProgress } from '../support/progress.js';
import { textTable } from '../support/text-table.js';
import { experiments } from './experiments.js';
import { help, parseOptions, type Settings } from './options.js';
import { writeReport } from './report.js';
import { runStudy } from './study.js';
import { cells, header } from './table.js';

async function main(settings: Settings): Promise<void> {
  await useBackend(settings.backend);
  const progress = showProgress({ runs: experiments.length, steps: settings.steps });
  const study = await runStudy(settings, progress)
    .finally(progress.stop)
    .finally(() => stopBackend(settings.backend));
  await writeReport(study, settings.report);
  const { runs } = study;
  const seconds = runs.reduce((sum, run) => sum + run.seconds, 0).toFixed(0);
  const table = textTable(header, runs.map(cells));
  process.stdout.write(
    `\n${table}\n\n${seconds} seconds. Plots: ${settings.report}/sharpness.html\n`,
  );
}

await runProgram({ name: 'study', help, parseOptions, main });
