/**
 * Nothing is forgotten: what is exported is registered, tested, documented and has an example. Each
 * message says what is to be done.
 */
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, test } from 'vitest';
import * as defineRule from '../../src/compiler/define-rule.js';
import * as deriveRule from '../../src/compiler/derive-rule.js';
import * as expressions from '../../src/compiler/expression.js';
import * as api from '../../src/optimizers/index.js';
import { FusedOptimizer } from '../../src/optimizers/index.js';
import { optimizers as registered } from '../../src/optimizers/register.js';
import * as rules from '../../src/rules/index.js';
import { useBackend } from '../support/backends.js';
import { examplesIn, read } from '../support/examples.js';
import { caseNamed, optimizerCases, testedClasses } from '../support/optimizers.js';
import { formulas, ruleCases } from '../support/rules.js';
import { numbersVariable } from '../support/tensors.js';

const guide = read('docs/optimizers.md');

/** Whether the guide names it: in a span of code of its own, or as a function that is called. */
const documented = (name: string): boolean => new RegExp(`\`${name}[\`(]`).test(guide);

beforeAll(() => useBackend('wasm'));

describe('every exported optimizer', () => {
  // tfjs has an instanceof of its own for optimizers, which asks for methods.
  const isOptimizer = (value: unknown): boolean =>
    typeof value === 'function' &&
    Object.prototype.isPrototypeOf.call(FusedOptimizer.prototype, value.prototype as object);
  const exported = Object.entries(api).filter(([, value]) => isOptimizer(value)) as [
    string,
    typeof FusedOptimizer & { className: string },
  ][];
  const withExample = examplesIn('src/optimizers').map(({ name }) => name);

  test('there are some', () => expect(exported.length).toBeGreaterThan(10));

  test.each(exported)('%s', (name, Optimizer) => {
    expect(
      Optimizer.className,
      `${name}: its static className must be '${name}': saved models find the class by it`,
    ).toBe(name);
    expect(
      (registered as readonly unknown[]).includes(Optimizer),
      `${name} is exported but not registered, so that no saved model finds it: add it to ` +
        '`optimizers` in src/optimizers/register.ts',
    ).toBe(true);
    expect(
      (testedClasses as readonly unknown[]).includes(Optimizer),
      `${name} has no tests: add a row to test/support/optimizers.ts, with its reference in ` +
        'test/reference',
    ).toBe(true);
    expect(
      documented(name),
      `${name} is not documented: name it as \`${name}\` in the table of docs/optimizers.md`,
    ).toBe(true);
    expect(
      withExample.includes(name),
      `${name} has no example: write an @example into its docstring in src/optimizers; ` +
        'test/optimizers/docstrings.test.ts runs it',
    ).toBe(true);
  });

  test('what is registered is exported', () => {
    const classes = exported.map(([, Optimizer]) => Optimizer as unknown);
    for (const { className } of registered.filter((Optimizer) => !classes.includes(Optimizer)))
      expect.fail(
        `${className} is registered, but not exported: add it to src/optimizers/index.ts`,
      );
  });

  test.each(optimizerCases.filter(({ reference }) => !reference))(
    '$name has no reference, but $className has one',
    ({ className }) => {
      expect(
        caseNamed(className).reference,
        `${className}: give its row in test/support/optimizers.ts a reference of test/reference`,
      ).toBeDefined();
    },
  );
});

describe('every exported rule', () => {
  const language = new Set([
    ...Object.keys(expressions),
    ...Object.keys(defineRule),
    ...Object.keys(deriveRule),
  ]);
  const exported = Object.keys(rules).filter((name) => !language.has(name));

  test('there are some', () => expect(exported.length).toBeGreaterThan(10));

  test.each(exported)('%s', (name) => {
    expect(
      name in ruleCases || formulas.includes(name),
      `${name} is exported but not tested: add it to \`ruleCases\` in test/support/rules.ts, with ` +
        'the case that compares it with a reference of test/reference (if no optimizer uses it, a ' +
        'setting of RuleOptimizer in test/support/optimizers.ts), or to `formulas` if it is no rule',
    ).toBe(true);
    expect(
      documented(name),
      `${name} is not documented: name it as \`${name}\` in docs/optimizers.md`,
    ).toBe(true);
  });

  test.each(Object.entries(ruleCases))('%s is the rule of the case %s', (name, tested) => {
    const { make, rates, reference } = caseNamed(tested);
    expect(
      reference,
      `${tested}: a rule is compared with a reference; give its case in ` +
        'test/support/optimizers.ts one of test/reference',
    ).toBeDefined();
    const variable = numbersVariable([5, 4], 1);
    const optimizer = make(rates);
    optimizer.prepare([variable]);
    const used = optimizer.describe().map(({ rule }) => rule.toLowerCase());
    expect(
      used.some((rule) => rule.startsWith(name.toLowerCase())),
      `${tested} runs ${used.join(', ')} and not ${name}: name another case for ${name} in ` +
        'test/support/rules.ts',
    ).toBe(true);
    optimizer.dispose();
    variable.dispose();
    expect(rules).toHaveProperty(name);
  });
});

test('what is registered is what tf.loadLayersModel finds', () => {
  api.registerOptimizers();
  const { classNameMap } = tf.serialization.SerializationMap.getMap();
  for (const Optimizer of registered)
    expect(classNameMap[Optimizer.className][0]).toBe(Optimizer as never);
});
