/** What is recorded of a run, and its forms for files: JSON and CSV. */
import { mapValues } from '../map-values.js';
import type { InstabilityKind } from './thresholds.js';

/** What a probe read of one variable: numbers, or lists with one number for each neuron. */
export type RecordedVariable = Readonly<Record<string, number | readonly number[]>>;

/** What `UpdateProbe.read()` gives for a step, or a probe of your own. */
export type RecordedReading = {
  readonly step: number;
  readonly clipCoefficient?: number;
  readonly variables: Readonly<Record<string, object>>;
};

/** Numbers of the whole run at a step; any other name is welcome too. */
export type RecordedNumbers = {
  readonly loss?: number;
  readonly learningRate?: number;
  /** For Adam the preconditioned one. */
  readonly sharpness?: number;
  readonly [name: string]: number | undefined;
};

/** All that is known of one step. */
export type RecordedStep = {
  readonly step: number;
  /** loss, learningRate, sharpness, clipCoefficient and others. */
  readonly values: Readonly<Record<string, number>>;
  readonly variables: Readonly<Record<string, RecordedVariable>>;
};

/** A recorder as plain JSON, in which NaN and the infinities are texts. */
export type RecordedRun = {
  readonly format: 'tfjs-warmup-run';
  readonly version: 1;
  readonly name: string;
  readonly kind: InstabilityKind;
  readonly beta: number;
  readonly steps: readonly unknown[];
};

/** The numbers for which JSON has no form but a text. */
const texts = new Map([NaN, Infinity, -Infinity].map((value) => [`${value}`, value]));

const encodeNumber = (leaf: unknown): unknown =>
  typeof leaf === 'number' && !Number.isFinite(leaf) ? `${leaf}` : leaf;

const decodeNumber = (leaf: unknown): unknown =>
  typeof leaf === 'string' ? (texts.get(leaf) ?? leaf) : leaf;

function mapLeaves(value: unknown, map: (leaf: unknown) => unknown): unknown {
  if (Array.isArray(value)) return value.map((item) => mapLeaves(item, map));
  if (typeof value !== 'object' || value === null) return map(value);
  return mapValues(value as Readonly<Record<string, unknown>>, (item) => mapLeaves(item, map));
}

/** A step as plain JSON. */
export const encodeStep = (step: RecordedStep): unknown => mapLeaves(step, encodeNumber);

/** A step from plain JSON, unchecked. */
export const decodeStep = (step: unknown): RecordedStep =>
  mapLeaves(step, decodeNumber) as RecordedStep;

/** The columns that come first, where anything is known of them. */
const firstColumns = ['loss', 'learningRate', 'sharpness', 'clipCoefficient'];

/** Comma-separated values (RFC 4180): a line for each step. */
export function csvOf(steps: readonly RecordedStep[]): string {
  const rows = steps.map(cellsOf);
  const known = new Set(rows.flatMap((row) => [...row.keys()]));
  const first = firstColumns.filter((name) => known.has(name));
  const columns = [...new Set(['step', ...first, ...known])];
  const lines = rows.map((row) => columns.map((column) => row.get(column) ?? ''));
  return [columns, ...lines].map((cells) => `${cells.map(quoted).join(',')}\r\n`).join('');
}

/** The cells of a step by their columns; lists have none. */
function cellsOf({ step, values, variables }: RecordedStep): Map<string, number> {
  const cells = new Map([['step', step], ...Object.entries(values)]);
  for (const [name, metrics] of Object.entries(variables))
    for (const [metric, value] of Object.entries(metrics))
      if (typeof value === 'number') cells.set(`${name} ${metric}`, value);
  return cells;
}

function quoted(cell: string | number): string {
  const text = `${cell}`;
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
