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

/** The epsilon on the current backend; in place of a default that it cannot hold, the smallest. */
export const epsilonHere = ({ epsilon }: Options, given: number | undefined): number | undefined =>
  given === undefined && (epsilon as number) < smallestHalfEpsilon && storesHalfFloats()
    ? smallestHalfEpsilon
    : (epsilon as number | undefined);

/** Throws for options that the current backend cannot hold; `epsilon` if it was given. */
export function checkPrecision(
  label: string,
  { clipNorm }: Options,
  epsilon: number | undefined,
): void {
  if (!storesHalfFloats()) return;
  check(
    !(epsilon! < smallestHalfEpsilon),
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
