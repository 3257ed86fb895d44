/** Options as plain JSON, for `getConfig`, and back, for `fromConfig`. */
import type { serialization } from '@tensorflow/tfjs-core';
import { check, show } from '../check.js';
import { mapValues } from '../map-values.js';
import { defaultEpsilon } from '../rules/adamw.js';
import { groupsFromConfig, groupsToConfig } from './groups.js';
import type { Options } from './options.js';

/** Plain JSON that says by its kind what it describes, such as a schedule's. */
export type Spec = { readonly kind: string };

type Reviver = (spec: Spec) => unknown;

let revive: Reviver | undefined;

/**
 * Sets how schedules and corrections are made again from their specs: an optimizer that is imported
 * alone does not carry all schedules.
 */
export const setReviver = (reviver: Reviver): void => {
  revive = reviver;
};

type Values = Readonly<Record<string, unknown>>;

/** Options as plain JSON; throws for a value that is neither plain nor has a spec. */
export const toConfig = (label: string, options: Values): Record<string, unknown> =>
  mapValues(options, (value, option) => {
    const isPrimitive = Object(value) !== value;
    if (isPrimitive) return value;
    const { spec } = value as { readonly spec?: Spec };
    if (!spec)
      throw new Error(
        `${label}: ${option} is a plain function, which cannot be saved; ` +
          'a schedule, a number or a name can',
      );
    return spec;
  });

/** Options from plain JSON. */
export const fromConfig = (label: string, config: Values): Record<string, unknown> =>
  mapValues(config, (value, option) => {
    const kind = (value as Partial<Spec> | null)?.kind;
    if (kind === undefined) return value;
    if (!revive)
      throw new Error(
        `${label}: ${option} was saved as ${show(kind)}; call registerOptimizers() before loading`,
      );
    return revive(value as Spec);
  });

/** All options of an optimizer but its probe, as plain JSON. */
export function optionsToConfig(label: string, options: Options): serialization.ConfigDict {
  const { groups, probe: _, ...rest } = options;
  return {
    ...toConfig(label, rest),
    groups: groupsToConfig(groups),
  } as unknown as serialization.ConfigDict;
}

/** Throws unless a config is an object. */
export function checkConfig(
  label: string,
  config: unknown,
): asserts config is serialization.ConfigDict {
  check(Object(config) === config, label, 'the config', 'be an object', config);
}

/** Options of an optimizer from plain JSON. */
export function optionsFromConfig(
  label: string,
  config: serialization.ConfigDict,
): Record<string, unknown> {
  checkConfig(label, config);
  // tfjs-layers adds customObjects to every config that it loads.
  const { groups = [], customObjects: _, ...rest } = config;
  // The default is the one of the backend that loads it.
  if (rest.epsilon === defaultEpsilon) delete rest.epsilon;
  return {
    ...fromConfig(label, rest),
    groups: groupsFromConfig(label, groups),
  };
}
