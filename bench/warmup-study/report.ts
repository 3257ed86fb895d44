import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseHTML } from 'linkedom';
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

const template = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>Training a GPT with and without warmup</title>
<style>
  body { font: 16px/1.5 system-ui, sans-serif; max-width: 45rem; margin: 2rem auto; padding: 0 1rem; }
  table { border-collapse: collapse; }
  th, td { padding: 0.2rem 0.8rem; text-align: right; font-variant-numeric: tabular-nums; }
  th:first-child, td:first-child { text-align: left; }
  li { margin-bottom: 0.3rem; }
  tr { border-bottom: 1px solid #ddd; }
</style>
</head>
<body><h1>Training a GPT with and without warmup</h1></body>
</html>`;

function page({ config, runs }: Study, drawings: readonly { title: string; svg: string }[]): string {
  const { document } = parseHTML(template);
  // Text goes in as textContent, so that the name of a text file is never read as markup.
  const append = (parent: Element, tag: string, text = ''): Element => {
    const element = document.createElement(tag);
    element.textContent = text;
    return parent.appendChild(element);
  };
  const { layers, width, context, batch } = config.model;
  append(
    document.body, 'p',
    `A character GPT (${layers} layers, width ${width}, context ${context}) learns ${config.text} for ${config.steps} steps of ${batch} windows, ` +
      `at a peak learning rate of ${config.learningRate} (the runs' own rates in study.json) and with a linear cooldown over the second half, on the ${config.backend} backend. ` +
      `Losses are mean cross-entropies in nats; the validation loss is taken over the last ${config.validationFraction * 100}% of the text.`,
  );
  const addTable = (header: string[], rows: string[][]): void => {
    const table = append(document.body, 'table');
    const addRow = (tag: string, texts: string[]): void => {
      const row = append(table, 'tr');
      for (const text of texts) append(row, tag, text);
    };
    addRow('th', header);
    for (const row of rows) addRow('td', row);
  };
  addTable(header, resultRows(runs).map(cells));
  append(document.body, 'h2', 'What the numbers say');
  const list = append(document.body, 'ul');
  for (const finding of findings(runs)) append(list, 'li', finding);
  append(document.body, 'h2', 'The first update');
  addTable(firstUpdateHeader, firstUpdates(runs).map(firstUpdateCells));
  for (const { title, svg } of drawings) {
    append(document.body, 'h2', title);
    append(document.body, 'div').innerHTML = svg;
  }
  return `${document.toString()}\n`;
}
