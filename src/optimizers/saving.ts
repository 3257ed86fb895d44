/** An option's value as plain JSON, and back. */
import { show } from '../check.js';

/** Plain JSON that says by its kind what it describes, such as a schedule's. */
export type Spec = { readonly kind: string };

type Revive = (spec: Spec) => unknown;

let revive: Revive | undefined;

/**
 * Sets how what was saved by its spec comes back: an optimizer imported alone does not carry all
 * schedules.
 */
export const setReviver = (reviver: Revive): void => {
  revive = reviver;
};

/** Throws for what is neither plain nor has a spec. */
export function toConfig(label: string, option: string, value: unknown): unknown {
  if (typeof value !== 'object' && typeof value !== 'function') return value;
  const { spec } = value as { readonly spec?: Spec };
  if (!spec)
    throw new Error(
      `${label}: ${option} is a plain function, which cannot be saved; a schedule, a number or a name can`,
    );
  return spec;
}

const isSpec = (config: unknown): config is Spec =>
  typeof config === 'object' && config !== null && 'kind' in config;

export function fromConfig(label: string, option: string, config: unknown): unknown {
  if (!isSpec(config)) return config;
  if (!revive)
    throw new Error(
      `${label}: ${option} was saved as ${show(config.kind)}; call registerOptimizers() before loading`,
    );
  return revive(config);
}
