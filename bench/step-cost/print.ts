/** The result of a case as text: ratios first, since they hold on other machines too. */
import type { CaseResult } from './results.js';

/** Aligned columns: the first to the left, all others to the right. */
function table(lines: readonly (readonly string[])[]): string {
  const widths = lines[0].map((_, column) => Math.max(...lines.map((line) => line[column].length)));
  return lines.map((line) => line.map((cell, column) => (column === 0 ? cell.padEnd(widths[0]) : cell.padStart(widths[column]))).join('   ').trimEnd()).join('\n');
}

/** Three digits, or all that stand before the point. */
const digits = (value: number | undefined): string => (value === undefined ? '-' : value >= 100 ? value.toFixed(0) : value.toPrecision(3));

export function caseText({ case: name, tensors, parameters, ratios, subjects }: CaseResult): string {
  const title = `${name}: ${parameters.toLocaleString('en-US')} parameters in ${tensors} ${tensors === 1 ? 'tensor' : 'tensors'}`;
  const ratioLines = ratios.map(({ over, under, median, min, max }) => [`${over} / ${under}`, ...[median, min, max].map(digits)]);
  const subjectLines = subjects.map(({ subject, status, milliseconds, nanosecondsPerParameter, gigabytesPerSecond }) => [
    subject,
    ...(status === 'ok' ? [milliseconds, nanosecondsPerParameter, gigabytesPerSecond].map(digits) : ['-', '-', '-']),
    status === 'ok' ? '' : status,
  ]);
  return [
    title,
    ...(ratios.length > 0 ? [table([['time of / time of', 'median', 'min', 'max'], ...ratioLines])] : []),
    table([['', 'ms a step', 'ns/parameter', 'GB/s', ''], ...subjectLines]),
  ].join('\n\n');
}
