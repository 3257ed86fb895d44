import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Page } from '../support/page.js';
import { findings, firstUpdateCells, firstUpdateHeader, firstUpdates } from './findings.js';
import { drawFigure, figures } from './plots.js';
import type { Study } from './study.js';
import { cells, header, resultRows } from './table.js';

/** Writes study.json, index.html and each figure as a file of its own. */
export async function writeReport(study: Study, folder: string): Promise<void> {
  const drawings = figures.map((figure) => ({ ...figure, svg: drawFigure(figure, study.runs) }));
  await mkdir(folder, { recursive: true });
  await Promise.all([
    // What is not a finite number, such as a loss after a divergence, becomes null in JSON.
    writeFile(join(folder, 'study.json'), `${JSON.stringify(study, undefined, 1)}\n`),
    writeFile(join(folder, 'index.html'), page(study, drawings)),
    ...drawings.map(({ file, svg }) => writeFile(join(folder, `${file}.svg`), `${svg}\n`)),
  ]);
}

function page(
  { config, runs }: Study,
  drawings: readonly { title: string; svg: string }[],
): string {
  const page = new Page('Training a GPT with and without warmup');
  const { layers, width, context, batch } = config.model;
  page.paragraph(
    `A character GPT (${layers} layers, width ${width}, context ${context}) learns ${config.text} ` +
      `for ${config.steps} steps of ${batch} windows, at a peak learning rate of ` +
      `${config.learningRate} (the runs' own rates in study.json) and with a linear cooldown over ` +
      `the second half, on the ${config.backend} backend. Losses are mean cross-entropies in nats; ` +
      `the validation loss is taken over the last ${config.validationFraction * 100}% of the text.`,
  );
  page.table(header, resultRows(runs).map(cells));
  page.heading('What the numbers say');
  page.list(findings(runs));
  page.heading('The first update');
  page.table(firstUpdateHeader, firstUpdates(runs).map(firstUpdateCells));
  for (const { title, svg } of drawings) {
    page.heading(title);
    page.drawing(svg);
  }
  return page.toString();
}
