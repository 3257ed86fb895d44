/**
 * Options on a backend that stores half floats, as webgl does on devices without float32 textures:
 * numbers from about 6e-8 to 65504, with 11 bits.
 */
import { backend, env } from '@tensorflow/tfjs-core';
import { check } from '../check.js';
import type { Options } from './options.js';

/** The smallest epsilon there, as tfjs has it: what a rule makes of it is still above 0. */
const smallestHalfEpsilon = 1e-4;

/** True if the current backend stores half floats. */
function storesHalfFloats(): boolean {
  const current = backend();
  // On webgl floatPrecision() answers 16 where textures are float32, and 32 where they are not.
  return 'gpgpu' in current
    ? !env().getBool('WEBGL_RENDER_FLOAT32_ENABLED')
    : current.floatPrecision() === 16;
}

const isTooSmall = (epsilon: unknown): boolean => (epsilon as number) < smallestHalfEpsilon;

/** The epsilon on the current backend: one that was not given is chosen so that it can be held. */
export const epsilonHere = ({ epsilon }: Options, isGiven: boolean): number | undefined =>
  !isGiven && isTooSmall(epsilon) && storesHalfFloats()
    ? smallestHalfEpsilon
    : (epsilon as number | undefined);

/** Throws if the current backend cannot hold an option that was given. */
export function checkPrecision(
  label: string,
  { epsilon, clipNorm }: Options,
  isEpsilonGiven: boolean,
): void {
  if (!storesHalfFloats()) return;
  check(
    !isEpsilonGiven || !isTooSmall(epsilon),
    label,
    'epsilon',
    `be at least ${smallestHalfEpsilon} on a backend of half precision, where it would be 0`,
    epsilon,
  );
  check(
    clipNorm === undefined,
    label,
    'clipNorm',
    'be left out on a backend of half precision',
    clipNorm,
  );
}
