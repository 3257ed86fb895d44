import { showProgress } from '../support/progress.js';
import { stopBackend, useBackend } from '../support/backend.js';
import { runFromCommandLine } from '../support/command-line.js';
import { textTable } from '../support/text-table.js';
import { findings, firstUpdateCells, firstUpdateHeader, firstUpdates } from './findings.js';
import { help, parseOptions } from './options.js';
import { writeReport } from './report.js';
import { chosenExperiments, runStudy } from './study.js';
import { cells, header, resultRows } from './table.js';

await runFromCommandLine(async () => {
  const settings = parseOptions(process.argv.slice(2));
  if (!settings) {
    process.stdout.write(help);
    return;
  }
  await useBackend(settings.backend);
  const progress = showProgress({
    runs: settings.seeds.length * chosenExperiments(settings).length,
    steps: settings.steps,
  });
  const study = await runStudy(settings, progress.step)
    .finally(progress.stop)
    .finally(() => stopBackend(settings.backend));
  await writeReport(study, settings.report);
  const { runs } = study;
  const parts = [
    textTable(header, resultRows(runs).map(cells)),
    textTable(firstUpdateHeader, firstUpdates(runs).map(firstUpdateCells)),
    findings(runs).join('\n'),
    `Plots: ${settings.report}/index.html`,
  ];
  process.stdout.write(`\n${parts.filter((part) => part !== '').join('\n\n')}\n`);
});
