/**
 * The layers of docs/architecture.md: who imports whom in src, types included. Arrows point one way,
 * and no file imports itself by way of others. The files that the guides name are there.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import ts from 'typescript';
import { describe, expect, test } from 'vitest';

const repository = resolve(import.meta.dirname, '..');
const root = join(repository, 'src');

/** The folders that the files of each folder may import besides their own. */
const layers: Record<string, readonly string[]> = {
  // The files that lie in src itself: checks, tables of options, small tools.
  base: [],
  schedules: ['base'],
  compiler: ['base'],
  rules: ['base', 'compiler'],
  executors: ['base', 'compiler'],
  optimizers: ['base', 'schedules', 'compiler', 'rules', 'executors'],
  probes: ['base', 'schedules', 'compiler', 'rules', 'executors', 'optimizers'],
  weights: ['base', 'compiler'],
  entries: ['schedules', 'rules', 'optimizers', 'probes', 'weights'],
};

function layerOf(file: string): string {
  if (file === 'index.ts') return 'entries';
  return file.includes('/') ? file.slice(0, file.indexOf('/')) : 'base';
}

/** The files of src that a file imports or exports from, for values or for types. */
function importsOf(file: string): string[] {
  const { importedFiles } = ts.preProcessFile(readFileSync(join(root, file), 'utf8'), true, true);
  return importedFiles
    .map(({ fileName }) => fileName)
    .filter((name) => name.startsWith('.'))
    .map((name) => join(file, '..', name).replace(/\.js$/, '.ts'));
}

const files = readdirSync(root, { recursive: true, encoding: 'utf8' })
  .filter((name) => name.endsWith('.ts'))
  .map((name) => name.replaceAll('\\', '/'))
  .sort();
const imports = new Map(files.map((file) => [file, importsOf(file)]));

/** The shortest way from a file over its imports back to it, or undefined. */
function circleThrough(start: string): string[] | undefined {
  const ways = imports.get(start)!.map((file) => [start, file]);
  const seen = new Set<string>();
  for (const way of ways) {
    const last = way.at(-1)!;
    if (last === start) return way;
    if (seen.has(last)) continue;
    seen.add(last);
    ways.push(...(imports.get(last) ?? []).map((file) => [...way, file]));
  }
  return undefined;
}

describe('the files of src', () => {
  test('are found, and so is what they import', () => {
    expect(files.length).toBeGreaterThan(100);
    expect(imports.get('index.ts')).toContain('optimizers/index.ts');
    expect(imports.get('rules/adamw.ts')).toContain('compiler/rule.ts');
    const missing = [...imports].flatMap(([file, imported]) =>
      imported.filter((name) => !imports.has(name)).map((name) => `${file} -> ${name}`),
    );
    expect(missing).toEqual([]);
  });

  test('lie in folders that have a layer', () => {
    expect(files.filter((file) => !(layerOf(file) in layers))).toEqual([]);
  });

  test('import from their own layer and from those below', () => {
    const upward = files.flatMap((file) =>
      imports
        .get(file)!
        .filter(
          (imported) => ![layerOf(file), ...layers[layerOf(file)]].includes(layerOf(imported)),
        )
        .map((imported) => `${file} -> ${imported}`),
    );
    expect(upward).toEqual([]);
  });

  test('form no circles', () => {
    const circles = new Map<string, string>();
    for (const file of files) {
      const circle = circleThrough(file);
      if (circle) circles.set([...new Set(circle)].sort().join(), circle.join(' -> '));
    }
    expect([...circles.values()]).toEqual([]);
  });
});

describe('the layers', () => {
  test('stand on each other without circles', () => {
    const below = Object.keys(layers);
    for (const [layer, allowed] of Object.entries(layers))
      for (const other of allowed) expect(below.indexOf(other)).toBeLessThan(below.indexOf(layer));
  });
});

/** Paths in the code spans of a guide, without those that leave a part of a name open. */
function pathsIn(guide: string): string[] {
  const text = readFileSync(join(repository, guide), 'utf8');
  const spans = [...text.matchAll(/`([^`\n]+)`/g)].map(([, span]) => span);
  return spans.filter((span) => /^(api|bench|build|docs|src|test)\/[\w./-]*$/.test(span));
}

test.each(['README.md', 'CONTRIBUTING.md', 'docs/architecture.md', 'docs/optimizers.md'])(
  '%s names files that exist',
  (guide) => {
    const paths = pathsIn(guide);
    expect(paths.length).toBeGreaterThan(0);
    expect(paths.filter((path) => !existsSync(join(repository, path)))).toEqual([]);
  },
);
