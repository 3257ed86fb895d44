/** Whatever is exported is also documented, tested and saved: what is missing is named here. */

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import * as api from '../../src/schedules/index.js';
import { shapeKinds } from '../../src/schedules/shape-names.js';
import * as unitFunctions from '../../src/schedules/shapes.js';
import { makers } from '../../src/schedules/spec.js';
import { read } from '../support/examples.js';
import {
  allRows,
  cooldownShape,
  kindOf,
  names,
  plainShapes,
  shapes,
  tools,
  warmupShape,
} from '../support/schedules.js';

const exported = Object.entries(api)
  .filter(([, value]) => typeof value === 'function')
  .map(([name]) => name);
const table = 'test/support/schedules.ts';
const guide = 'docs/schedules.md';
/** The lines of the guide that are rows of a table. */
const guideRows = read(guide)
  .split('\n')
  .filter((line) => line.startsWith('|'));

/** Fails with what to do about each name that is missing. */
function expectAll(wanted: Iterable<string>, found: Iterable<string>, advice: string): void {
  const missing = [...wanted].filter((name) => ![...found].includes(name));
  expect(missing, advice).toEqual([]);
}

describe('each schedule', () => {
  it('has a row in the table of the tests', () => {
    expectAll(
      exported,
      [...names, ...tools],
      `add a row for it to \`rows\` of ${table}; or its name to \`tools\` if it makes no schedule`,
    );
  });

  it('is exported', () => {
    expectAll(names, exported, 'export it from src/schedules/index.ts');
    expectAll(Object.keys(makers), exported, 'export it from src/schedules/index.ts');
  });

  it('can be made from its spec', () => {
    const kinds = allRows.map(({ make, samples }) => make(...samples[0]).spec.kind);
    expectAll(
      kinds,
      Object.keys(makers),
      'add this kind to `ScheduleSpec` and `makers` of src/schedules/spec.ts',
    );
    expectAll(Object.keys(makers), kinds, `add a row for this kind to \`rows\` of ${table}`);
  });

  it('has laws of its own', () => {
    const own = ['bounds', 'monotone', 'continuity', 'values'];
    const lawful = allRows.filter(({ make, samples, laws }) =>
      laws(make(...samples[0]).spec).some((law) => own.some((name) => Object.hasOwn(law, name))),
    );
    const found = lawful.map(({ name }) => name);
    expectAll(names, found, `let \`laws\` of its row in ${table} say more than that it is finite`);
  });

  it('has its formula in the guide', () => {
    const documented = names.filter((name) =>
      guideRows.some((line) => line.includes(`\`${name}(`)),
    );
    expectAll(names, documented, `add a row for it to the table "Formulas" of ${guide}`);
  });
});

describe('each tool', () => {
  it('is in the guide', () => {
    const documented = tools.filter((name) => read(guide).includes(`${name}(`));
    expectAll(tools, documented, `describe it in ${guide}`);
  });
});

describe('each shape', () => {
  const kinds = shapeKinds('out');

  it('can be chosen by its name', () => {
    expectAll(
      Object.keys(unitFunctions),
      kinds,
      'add it to `plain` or `parameters` of src/schedules/shape-names.ts',
    );
    expect(shapeKinds('in')).toEqual(kinds.filter((kind) => kind !== 'loweredLinear'));
  });

  it('has a row in the table of the tests', () => {
    const found = shapes.map(({ shape }) => kindOf(shape));
    expectAll(kinds, found, `add a row for it to \`shapes\` of ${table}`);
  });

  it('is among the random shapes of the laws', () => {
    // A geometric shape needs two values above 0: ramps of the laws have it by itself.
    const drawn = (shape: typeof cooldownShape) =>
      fc.sample(shape, { numRuns: 500, seed: 1 }).map(kindOf);
    const advice = `add it to \`plainShapes\`, \`warmupShape\` or \`cooldownShape\` of ${table}`;
    expectAll(kinds, [...drawn(cooldownShape), 'geometric'], advice);
    expectAll(shapeKinds('in'), [...drawn(warmupShape), 'geometric'], advice);
    expectAll(plainShapes, kinds, 'this shape is gone: take it out of `plainShapes`');
  });

  it('has its formula in the guide', () => {
    const documented = kinds.filter((kind) =>
      guideRows.some((line) => line.split('|')[1].includes(`'${kind}'`)),
    );
    expectAll(kinds, documented, `add a row for it to the table "Shapes" of ${guide}`);
  });
});
