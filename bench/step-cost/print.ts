/** The result of a case as text: ratios first, since they hold on other machines too. */
import { textTable } from '../support/text-table.js';
import type { Adapter, Machine } from './machine.js';
import type { CaseResult, Ratio, SubjectResult } from './results.js';

/** Three digits, or all that stand before the point. */
function digits(value: number | undefined): string {
  if (value === undefined) return '-';
  return value >= 100 ? value.toFixed(0) : value.toPrecision(3);
}

/** What the promises of the library are about first; the JSON has all. */
const countColumns = [
  ['dispatches', 'dispatches'],
  ['submits', 'submits'],
  ['bind groups', 'bindGroups'],
  ['buffers', 'buffersCreated'],
  ['copies', 'copies'],
  ['writes', 'writes'],
  ['bytes written', 'bytesWritten'],
] as const;

function countsTable(subjects: readonly SubjectResult[]): string[] {
  const rows = subjects.flatMap(({ subject, counts }) =>
    counts
      ? [[subject, ...countColumns.map(([, name]) => String(Math.round(10 * counts[name]) / 10))]]
      : [],
  );
  if (rows.length === 0) return [];
  return [textTable(['calls of a step', ...countColumns.map(([title]) => title)], rows)];
}

function ratiosTable(ratios: readonly Ratio[]): string[] {
  if (ratios.length === 0) return [];
  const rows = ratios.map(({ over, under, median, min, max, limit, perByte }) => [
    `${over} / ${under}${perByte ? ', by byte' : ''}`,
    ...[median, min, max].map(digits),
    limit === undefined ? '' : digits(limit),
  ]);
  return [textTable(['time of / time of', 'median', 'min', 'max', 'at most'], rows)];
}

function subjectsTable(subjects: readonly SubjectResult[]): string {
  const rows = subjects.map((result) => {
    const { subject, status, milliseconds, nanosecondsPerParameter, gigabytesPerSecond } = result;
    const figures = [milliseconds, nanosecondsPerParameter, gigabytesPerSecond];
    return status === 'ok'
      ? [subject, ...figures.map(digits), '']
      : [subject, ...figures.map(() => '-'), status];
  });
  return textTable(['', 'ms a step', 'ns/parameter', 'GB/s', ''], rows);
}

export function caseText({
  case: name,
  tensors,
  parameters,
  ratios,
  subjects,
}: CaseResult): string {
  const count = `${tensors} ${tensors === 1 ? 'tensor' : 'tensors'}`;
  return [
    `${name}: ${parameters.toLocaleString('en-US')} parameters in ${count}`,
    ...ratiosTable(ratios),
    subjectsTable(subjects),
    ...countsTable(subjects),
  ].join('\n\n');
}

export function machineText({ cpu, cores, node, compiler, adapter }: Machine): string {
  const machine = [`${cpu}, ${cores} cores, Node ${node}`];
  // A bench of a GPU alone needs no compiler and looks for none.
  if (compiler || !adapter) machine.push(compiler ?? 'no C compiler');
  return [machine.join(', '), ...(adapter ? [adapterText(adapter)] : [])].join('\n');
}

function adapterText({ description, device, architecture, vendor, software }: Adapter): string {
  const names = [description, device, architecture, vendor];
  const name = names.find((text) => text !== '') ?? 'an unnamed GPU';
  return software ? `${name}: a software driver, whose times say nothing about a GPU` : name;
}
