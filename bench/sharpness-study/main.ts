import { showProgress } from '../support/progress.js';
import { stopBackend, useBackend } from '../support/backend.js';
import { runFromCommandLine } from '../support/command-line.js';
import { textTable } from '../support/text-table.js';
import { experiments } from './experiments.js';
import { help, parseOptions } from './options.js';
import { writeReport } from './report.js';
import { runStudy } from './study.js';
import { cells, header } from './table.js';

await runFromCommandLine(async () => {
  const settings = parseOptions(process.argv.slice(2));
  if (!settings) {
    process.stdout.write(help);
    return;
  }
  await useBackend(settings.backend);
  const progress = showProgress({ runs: experiments.length, steps: settings.steps });
  const study = await runStudy(settings, progress)
    .finally(progress.stop)
    .finally(() => stopBackend(settings.backend));
  await writeReport(study, settings.report);
  const { runs } = study;
  const seconds = runs.reduce((sum, run) => sum + run.seconds, 0);
  process.stdout.write(
    `\n${textTable(header, runs.map(cells))}\n\n${seconds.toFixed(0)} seconds. Plots: ${settings.report}/sharpness.html\n`,
  );
});
