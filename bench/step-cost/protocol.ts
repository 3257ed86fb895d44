/**
 * The protocol between the bench and the programs that it times, one line each way, so that a C program can
 * take part:
 *
 * - `start 100x100 140` makes tensors and does a first step, in 31.2 ms; `{ "milliseconds": 31.2,
 *   "bytes": 280000 }`
 * - `round 100` does steps for 100 ms; `{ "steps": 812, "milliseconds": 0.123 }`, the median step
 * - `count`, only where a subject can tell, asks what a step asks of a GPU; `{ "dispatches": 50,
 *   ... }`
 * - a command that fails answers `{ "error": "..." }`
 *
 * Lines that do not start with a brace are not answers. The program ends when its input does.
 */
import type { Shape } from './cases.js';

/** `bytes`: what an update in place must move, where that is known. */
export type Started = { readonly milliseconds: number; readonly bytes?: number };

/**
 * The milliseconds of one step: the median, or the mean where only all steps together can be timed.
 */
export type Round = { readonly steps: number; readonly milliseconds: number };

/** Calls of a step, by what is called. */
export type Counts = Readonly<Record<string, number>>;

export const startLine = (shapes: readonly Shape[]): string =>
  `start ${shapes.map((shape) => shape.join('x')).join(' ')}`;
export const countLine = 'count';
export const roundLine = (milliseconds: number): string => `round ${milliseconds}`;

export const parseShapes = (text: string): Shape[] =>
  text.split(' ').map((shape) => shape.split('x').map(Number));
