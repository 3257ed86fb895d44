import { stopBackend, useBackend } from '../support/backend.js';
import { runProgram } from '../support/command-line.js';
import { showProgress } from '../support/progress.js';
import { textTable } from '../support/text-table.js';
import { findings, firstUpdateCells, firstUpdateHeader, firstUpdates } from './findings.js';
import { help, parseOptions, type Settings } from './options.js';
import { writeReport } from './report.js';
import { chosenExperiments, runStudy } from './study.js';
import { cells, header, resultRows } from './table.js';

async function main(settings: Settings): Promise<void> {
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
}

await runProgram({ name: 'study', help, parseOptions, main });
