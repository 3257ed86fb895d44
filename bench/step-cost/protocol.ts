/**
 * How the bench speaks with the programs that it times, one line each way, so that a C program can
 * take part:
 *
 * start 100x100 140    ->  { "milliseconds": 31.2, "bytes": 280000 }   tensors made, the first step
 * done in so long
 * round 100            ->  { "steps": 812, "milliseconds": 0.123 }     steps for 100 ms, and their
 * median
 * count                ->  { "dispatches": 50, ... }                   what a step asks of a GPU;
 * only where a subject can tell
 *   a failed command     ->  { "error": "..." }
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
