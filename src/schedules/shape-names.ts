/**
 * The shapes by name, for options that choose one. Whoever imports this file carries every shape;
 * schedules with a fixed shape do not.
 */

import { check, checkNames, checkNumber, refuse } from '../check.js';
import {
  cosine,
  exponential,
  linear,
  loweredLinear,
  mirrorCosine,
  oneMinusSqrt,
  oneMinusSquare,
  power,
  sqrtOfRemaining,
  squareOfRemaining,
  type UnitFunction,
} from './shapes.js';

/** `'in'`: a warmup, progress x = (t + 1) / T. `'out'`: a cooldown, progress x = t / T. */
export type Phase = 'in' | 'out';

/**
 * The shape of a warmup, by name; a shape with a parameter is an object. x is the progress, u the
 * height, 0 to 1.
 *
 * - `'linear'`: u = x
 * - `'cosine'`: u = (1 - cos(pi x)) / 2
 * - `'mirrorCosine'`: u = 2x - (1 - cos(pi x)) / 2
 * - `'oneMinusSqrt'`: u = 1 - sqrt(1 - x)
 * - `'oneMinusSquare'`: u = 1 - (1 - x)^2
 * - `{ kind: 'power', exponent }`: u = 1 - (1 - x)^exponent
 * - `'sqrtOfRemaining'`: u = sqrt(x)
 * - `'squareOfRemaining'`: u = x^2
 * - `'geometric'`: value = from (to / from)^x, both above 0
 * - `{ kind: 'exponential', rate }`: u = (1 - e^(-rate x)) / (1 - e^(-rate))
 */
export type WarmupShape =
  | 'linear'
  | 'cosine'
  | 'mirrorCosine'
  | 'oneMinusSqrt'
  | 'oneMinusSquare'
  | 'sqrtOfRemaining'
  | 'squareOfRemaining'
  | 'geometric'
  | { kind: 'power'; exponent: number }
  | { kind: 'exponential'; rate: number };

/**
 * The shape of a cooldown, by name; a shape with a parameter is an object. x is the progress, u the
 * height, 1 to 0.
 *
 * - `'linear'`: u = 1 - x
 * - `'cosine'`: u = (1 + cos(pi x)) / 2
 * - `'mirrorCosine'`: u = 2 (1 - x) - (1 + cos(pi x)) / 2
 * - `'oneMinusSqrt'`: u = 1 - sqrt(x)
 * - `'oneMinusSquare'`: u = 1 - x^2
 * - `{ kind: 'power', exponent }`: u = 1 - x^exponent
 * - `'sqrtOfRemaining'`: u = sqrt(1 - x)
 * - `'squareOfRemaining'`: u = (1 - x)^2
 * - `'exponential'` or `'geometric'`: value = peak (floor / peak)^x, both above 0
 * - `{ kind: 'exponential', rate }`: u = (e^(-rate x) - e^(-rate)) / (1 - e^(-rate)), down to any
 *   floor
 * - `'loweredLinear'` or `{ kind: 'loweredLinear', start }`: u = start (1 - x), start .7 unless
 *   given: a jump at its first step
 */
export type CooldownShape =
  WarmupShape | 'exponential' | 'loweredLinear' | { kind: 'loweredLinear'; start: number };

const plain: Record<string, UnitFunction> = {
  linear,
  cosine,
  mirrorCosine,
  oneMinusSqrt,
  oneMinusSquare,
  sqrtOfRemaining,
  squareOfRemaining,
};

/** The parameter of a shape, its default if it has one, and the shape that it gives. */
type Parameter = {
  name: string;
  interval: string;
  usual?: number;
  shape: (value: number, phase: Phase) => UnitFunction;
};

const parameters: Record<string, Parameter> = {
  power: { name: 'exponent', interval: '(0, Infinity)', shape: power },
  exponential: {
    name: 'rate',
    interval: '(0, Infinity)',
    shape: (rate, phase) => exponential(phase === 'in' ? -rate : rate),
  },
  loweredLinear: { name: 'start', interval: '(0, 1]', usual: 0.7, shape: loweredLinear },
};

/** The kinds of shape that a warmup, or a cooldown, can have. */
export const shapeKinds = (phase: Phase): string[] => [
  ...Object.keys(plain),
  'geometric',
  ...Object.keys(parameters).slice(0, phase === 'in' ? -1 : undefined),
];

/** The value of a phase at u = 0, then at u = 1. */
type Ends = readonly [low: number, high: number];

/** A shape as plain JSON, frozen, and its unit function. */
type ReadShape<Shape> = { readonly plain: Shape; readonly unit: UnitFunction };

/** Reads the shape of a phase between two values. */
export function readShape<Shape extends CooldownShape>(
  label: string,
  option: string,
  shape: Shape,
  phase: Phase,
  ends: Ends,
): ReadShape<Shape> {
  const given: unknown = shape;
  const isObject = given !== null && typeof given === 'object';
  const kind = (isObject ? (given as { kind?: unknown }).kind : given) as string;
  const kinds = shapeKinds(phase);
  if (!kinds.includes(kind)) refuse(label, option, `be one of ${kinds.join(', ')}`, kind);

  const parameter = parameters[kind] as Parameter | undefined;
  const inner = `${label}: ${option} ${kind}`;
  if (isObject) checkNames(inner, given, parameter ? ['kind', parameter.name] : ['kind']);
  const value =
    isObject && parameter ? (given as Record<string, unknown>)[parameter.name] : undefined;
  const object = value === undefined ? { kind } : { kind, [parameter!.name]: value };
  const unit = plain[kind] ?? unitFunction([label, option], kind, value, phase, ends);
  return { plain: (isObject ? Object.freeze(object) : given) as Shape, unit };
}

/** The unit function of a kind that takes a parameter, or that depends on both ends. */
function unitFunction(
  [label, option]: readonly [label: string, option: string],
  kind: string,
  given: unknown,
  phase: Phase,
  ends: Ends,
): UnitFunction {
  const parameter = parameters[kind] as Parameter | undefined;
  const value = given ?? parameter?.usual;
  // A cooldown may leave out the rate of its exponential: then it falls from the peak to the floor
  // in a constant ratio, as the geometric shape does.
  if (parameter && !(kind === 'exponential' && phase === 'out' && given === undefined)) {
    checkNumber(`${label}: ${option} ${kind}`, parameter.name, value, parameter.interval);
    return parameter.shape(value, phase);
  }
  const [low, high] = ends;
  check(
    low > 0 && high > 0,
    label,
    option,
    `run between two values above 0 when it is '${kind}'`,
    ends,
  );
  return exponential(Math.log(high) - Math.log(low));
}
