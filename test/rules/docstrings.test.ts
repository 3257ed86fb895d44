/** Runs the examples in the docstrings of the rules. */
import { readdirSync } from 'node:fs';
import * as tf from '@tensorflow/tfjs-core';
import { afterEach, beforeAll, expect, test } from 'vitest';
import * as optimizers from '../../src/optimizers/index.js';
import * as rules from '../../src/rules/index.js';
import { useBackend } from '../support/backends.js';
import { read, runExample } from '../support/examples.js';

const files = [
  ...readdirSync(new URL('../../src/rules', import.meta.url)).map((file) => `src/rules/${file}`),
  'src/compiler/define-rule.ts',
  'src/compiler/derive-rule.ts',
  'src/optimizers/rule-optimizer.ts',
];
const examples = files.flatMap((file) =>
  [
    ...read(file).matchAll(/@example\n((?: \* ?.*\n)+?) \*\/\nexport (?:function|class) (\w+)/g),
  ].map(([, text, name]) => ({ name, code: text.replaceAll(/^ \* ?/gm, '') })),
);

beforeAll(() => useBackend('wasm'));
afterEach(() => tf.disposeVariables());

test('what makes and converts rules has one', () => {
  expect(examples.map(({ name }) => name)).toEqual(
    expect.arrayContaining([
      'defineRule',
      'deriveRule',
      'nesterov',
      'cautious',
      'RuleOptimizer',
      'equilibriumRotation',
      'lionFromAdamW',
      'adamWFromLion',
      'rotationFromAdamW',
      'weightDecayFromRotation',
    ]),
  );
});

test.each(examples)('$name', async ({ code }) => {
  const given = { ...rules, ...optimizers };
  await runExample(`const { ${Object.keys(given).join(', ')} } = modules.given;\n{\n${code}\n}`, {
    given,
  });
});
