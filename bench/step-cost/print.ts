/** The result of a case as text: ratios first, since they hold on other machines too. */
import type { Machine } from './machine.js';
import type { CaseResult, SubjectResult } from './results.js';

/** Aligned columns: the first to the left, all others to the right. */
function table(lines: readonly (readonly string[])[]): string {
  const widths = lines[0].map((_, column) => Math.max(...lines.map((line) => line[column].length)));
  return lines
    .map((line) =>
      line
        .map((cell, column) =>
          column === 0 ? cell.padEnd(widths[0]) : cell.padStart(widths[column]),
        )
        .join('   ')
        .trimEnd(),
    )
    .join('\n');
}

/** Three digits, or all that stand before the point. */
const digits = (value: number | undefined): string =>
  value === undefined ? '-' : value >= 100 ? value.toFixed(0) : value.toPrecision(3);

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
  const lines = subjects.flatMap(({ subject, counts }) =>
    counts
      ? [[subject, ...countColumns.map(([, name]) => String(Math.round(10 * counts[name]) / 10))]]
      : [],
  );
  return lines.length > 0
    ? [table([['calls of a step', ...countColumns.map(([title]) => title)], ...lines])]
    : [];
}

export function caseText({
  case: name,
  tensors,
  parameters,
  ratios,
  subjects,
}: CaseResult): string {
  const title = `${name}: ${parameters.toLocaleString('en-US')} parameters in ${tensors} ${tensors === 1 ? 'tensor' : 'tensors'}`;
  const ratioLines = ratios.map(({ over, under, median, min, max, limit, perByte }) => [
    `${over} / ${under}${perByte ? ', by byte' : ''}`,
    ...[median, min, max].map(digits),
    limit === undefined ? '' : digits(limit),
  ]);
  const subjectLines = subjects.map(
    ({ subject, status, milliseconds, nanosecondsPerParameter, gigabytesPerSecond }) => [
      subject,
      ...(status === 'ok'
        ? [milliseconds, nanosecondsPerParameter, gigabytesPerSecond].map(digits)
        : ['-', '-', '-']),
      status === 'ok' ? '' : status,
    ],
  );
  return [
    title,
    ...(ratios.length > 0
      ? [table([['time of / time of', 'median', 'min', 'max', 'at most'], ...ratioLines])]
      : []),
    table([['', 'ms a step', 'ns/parameter', 'GB/s', ''], ...subjectLines]),
    ...countsTable(subjects),
  ].join('\n\n');
}

export function machineText({ cpu, cores, node, compiler, adapter }: Machine): string {
  const gpu =
    adapter &&
    [adapter.description, adapter.device, adapter.architecture, adapter.vendor].find(
      (text) => text !== '',
    );
  return [
    `${cpu}, ${cores} cores, Node ${node}${adapter && !compiler ? '' : `, ${compiler ?? 'no C compiler'}`}`,
    ...(adapter
      ? [
          `${gpu ?? 'an unnamed GPU'}${adapter.software ? ': a software driver, whose times say nothing about a GPU' : ''}`,
        ]
      : []),
  ].join('\n');
}
