/** Which variables a rotational optimizer rotates. */
import { check, show } from '../check.js';
import type { Layout } from '../compiler/layout.js';
import type { VariableSettings } from './groups.js';

/**
 * True if the variable's weight vectors are to turn: its group says so, or it has rank 2 or more and something to derive
 * the angle from. Vectors of one element (two, where they are centred) have no direction to turn to.
 *
 * Source: the wrapper of Kosson et al. (arXiv 2305.17212) rotates what has weight decay and rank above 1.
 */
export function rotates(owner: string, { name, shape, weightDecay, rotational }: VariableSettings, layout: Layout, form: { readonly zeroMean: boolean; readonly perNeuron: boolean; readonly givenRotation?: boolean }): boolean {
  const hasAngle = weightDecay > 0 || form.givenRotation === true;
  check(rotational !== true || hasAngle, `${owner}: variable ${show(name)}`, 'rotational', 'go with a weightDecay above 0 or a rotation, from which the angle comes', rotational);
  if (!(rotational ?? (shape.length >= 2 && hasAngle))) return false;
  return (form.perNeuron ? layout.fanIn : layout.size) >= (form.zeroMean ? 3 : 2);
}
