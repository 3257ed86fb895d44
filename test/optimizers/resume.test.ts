/**
 * A run that is saved, killed and continued in a new process ends in the bits of the run that never
 * stopped.
 */
import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { optimizerNames, train, type Run, type Saved } from './resume-run.js';

const runs: Run[] = [
  ...['wasm', 'cpu'].flatMap((backend) =>
    optimizerNames.map((name) => ({ name, backend, executor: 'auto' as const })),
  ),
  { name: 'AdamW', backend: 'wasm', executor: 'ops' },
  { name: 'RuleOptimizer', backend: 'cpu', executor: 'ops' },
];

/**
 * Where the second process is handed the runs: after an even and after an odd step, and before
 * `sometimes` had any gradient but the first.
 */
const stops = [30, 2];

const folder = mkdtempSync(join(tmpdir(), 'tfjs-warmup-resume-'));
const uninterrupted: Saved[] = [];
const continued = new Map<number, Saved[]>();

async function continueInNewProcess(stop: number): Promise<Saved[]> {
  const [input, output] = [join(folder, `in-${stop}.json`), join(folder, `out-${stop}.json`)];
  const saved: Saved[] = [];
  for (const run of runs) saved.push(await train(run, 0, stop));
  writeFileSync(input, JSON.stringify(saved));
  const script = fileURLToPath(new URL('resume-continue.ts', import.meta.url));
  await promisify(execFile)(process.execPath, [
    '--import',
    'tsx',
    script,
    String(stop),
    '60',
    input,
    output,
  ]);
  return JSON.parse(readFileSync(output, 'utf8')) as Saved[];
}

beforeAll(async () => {
  for (const run of runs) uninterrupted.push(await train(run, 0, 60));
  for (const stop of stops) continued.set(stop, await continueInNewProcess(stop));
}, 120_000);

afterAll(() => rmSync(folder, { recursive: true, force: true }));

const cases = stops.flatMap((stop) =>
  runs.map((run, i) => ({
    stop,
    i,
    title: `${run.name} on ${run.backend} (${run.executor}), stopped at ${stop}`,
  })),
);

test.each(cases.map((one) => [one.title, one] as const))('%s', (_, { stop, i }) => {
  expect(continued.get(stop)![i]).toEqual(uninterrupted[i]);
});

test('the variable without gradients at odd steps has had half of the updates', () => {
  for (const { state } of uninterrupted) {
    const counts = Object.fromEntries(
      state.map(({ name, base64 }) => [
        name,
        new Int32Array(new Uint8Array(Buffer.from(base64, 'base64')).buffer)[0],
      ]),
    );
    expect(counts).toMatchObject({
      iter: 60,
      'resume/kernel/count': 60,
      'resume/sometimes/count': 30,
      'resume/gain/count': 60,
    });
  }
});
