import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { caseNamed, parametersOf } from '../../bench/step-cost/cases';
import { compileNative } from '../../bench/step-cost/native';
import { help, parseOptions } from '../../bench/step-cost/options';
import { Player, scriptProgram } from '../../bench/step-cost/player';
import { caseText } from '../../bench/step-cost/print';
import { parseShapes, startLine, type Started } from '../../bench/step-cost/protocol';
import {
  figures,
  ratiosOf,
  type BenchResult,
  type SubjectResult,
} from '../../bench/step-cost/results';
import { comparisons, subjects } from '../../bench/step-cost/subjects';
import { skipWebGPU } from '../webgpu/support/vitest';

describe('the program', () => {
  it('writes rounds, figures and ratios of every subject of a backend', () => {
    const folder = mkdtempSync(join(tmpdir(), 'step-cost-test-'));
    try {
      const out = join(folder, 'results', 'tiny.json');
      const args = [
        '--import',
        'tsx',
        'bench/step-cost/main.ts',
        '--quick',
        '--backend',
        'wasm',
        '--sizes',
        '1e4',
        '--rounds',
        '2',
        '--out',
        out,
      ];
      const text = execFileSync(process.execPath, args, { encoding: 'utf8' });
      const { machine, settings, cases } = JSON.parse(readFileSync(out, 'utf8')) as BenchResult;
      expect(machine).toMatchObject({ node: process.version });
      expect(machine.cpu).toBeTypeOf('string');
      expect(Date.parse(machine.date)).toBeGreaterThan(0);
      expect(settings).toEqual({ rounds: 2, milliseconds: 30, warmupMilliseconds: 100 });
      expect(cases).toHaveLength(1);
      const [tiny] = cases;
      expect(tiny).toMatchObject({ case: '1e4', tensors: 1, parameters: 10_000 });
      const names = subjects.flatMap(({ name, targets, parameters }) =>
        !parameters && targets.includes('wasm') ? [name] : [],
      );
      expect(tiny.subjects.map(({ subject }) => subject)).toEqual(names);
      const native = machine.compiler !== undefined;
      for (const {
        subject,
        status,
        milliseconds,
        nanosecondsPerParameter,
        gigabytesPerSecond,
        rounds,
      } of tiny.subjects) {
        if (!native && subject.endsWith('native C')) continue;
        expect([subject, status]).toEqual([subject, 'ok']);
        expect(rounds).toHaveLength(2);
        expect(rounds.every(({ steps, milliseconds: time }) => steps >= 1 && time > 0)).toBe(true);
        expect(milliseconds).toBeCloseTo((rounds[0].milliseconds + rounds[1].milliseconds) / 2, 6);
        expect(nanosecondsPerParameter).toBeCloseTo(milliseconds! * 100, 6);
        const bytes = /Lion|SGD/.test(subject) ? 20 : 28;
        if (subject.startsWith('tf.train')) expect(gigabytesPerSecond).toBeUndefined();
        else expect(gigabytesPerSecond).toBeCloseTo(bytes / nanosecondsPerParameter!, 6);
      }
      const ran = names.filter((name) => native || !name.endsWith('native C'));
      const expected = comparisons.filter(
        ({ over, under }) => ran.includes(over) && ran.includes(under),
      );
      expect(tiny.ratios.map(({ over, under }) => ({ over, under }))).toEqual(
        expected.map(({ over, under }) => ({ over, under })),
      );
      for (const { rounds, median, min, max } of tiny.ratios) {
        expect(rounds).toHaveLength(2);
        expect(min <= median && median <= max && min > 0).toBe(true);
      }
      expect(text).toContain('1e4: 10,000 parameters in 1 tensor');
      expect(text.indexOf('tf.train.adam wasm / AdamW wasm')).toBeGreaterThan(0);
      expect(text).toContain(out);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});

describe('the program on WebGPU', () => {
  it.skipIf(skipWebGPU)('counts what a step asks of the device, and says what GPU that is', () => {
    const folder = mkdtempSync(join(tmpdir(), 'step-cost-test-'));
    try {
      const out = join(folder, 'webgpu.json');
      const args = [
        '--import',
        'tsx',
        'bench/step-cost/main.ts',
        '--quick',
        '--backend',
        'webgpu',
        '--sizes',
        '1000',
        '--rounds',
        '1',
        '--out',
        out,
      ];
      // The software driver, whatever drivers this machine has.
      const text = execFileSync(process.execPath, args, {
        encoding: 'utf8',
        env: { ...process.env, TFJS_WARMUP_VULKAN: 'npm' },
      });
      const {
        machine,
        cases: [tiny],
      } = JSON.parse(readFileSync(out, 'utf8')) as BenchResult;
      expect(machine.adapter).toMatchObject({ architecture: 'swiftshader', software: true });
      expect(tiny.subjects.map(({ subject, status }) => [subject, status])).toEqual(
        ['AdamW', 'Lion', 'RotationalAdamW', 'tf.train.adam'].map((name) => [
          `${name} webgpu encode`,
          'ok',
        ]),
      );
      const counts = tiny.subjects.map((subject) => subject.counts!);
      for (const ours of counts.slice(0, 3))
        expect(ours).toMatchObject({ dispatches: 1, bindGroups: 0, writes: 1 });
      expect(counts[3].dispatches).toBeGreaterThan(10);
      expect(tiny.ratios.map(({ limit }) => limit)).toEqual([1 / 40, 1 / 40, undefined]);
      expect(text).toContain('bytes written');
      expect(text).toContain('a software driver, whose times say nothing about a GPU');
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});

describe('a program of one subject', () => {
  // A vector among them, which does not rotate.
  const shapes = [[30, 40], [40]];

  async function play(name: string): Promise<Started> {
    const player = new Player(scriptProgram(name));
    const started = await player.start(shapes);
    expect((await player.round(1)).milliseconds).toBeGreaterThan(0);
    // What a round leaves behind is gone by then.
    expect((await player.round(1)).steps).toBeGreaterThan(0);
    await player.end();
    return started;
  }

  it('answers on cpu, with neurons on either axis, and with a probe', async () => {
    const names = [
      'AdamW cpu',
      'RotationalAdamW last axis wasm',
      'LionAR first axis wasm',
      'AdamW probed wasm',
    ];
    const [adamW, rotational, lionAR, probed] = (await Promise.all(names.map(play))).map(
      ({ bytes }) => bytes,
    );
    expect([adamW, probed]).toEqual([1240 * 28, 1240 * 28]);
    // Norms and energies of 40 neurons; norms of 30.
    expect([rotational, lionAR]).toEqual([1240 * 28 + 40 * 16, 1240 * 20 + 30 * 8]);
  });

  it.skipIf(skipWebGPU)('answers on a GPU, which copies too', async () => {
    const [copy, adamW] = await Promise.all(['copyBufferToBuffer gpu', 'AdamW gpu'].map(play));
    expect(copy.bytes! % 2 ** 20).toBe(0);
    expect(adamW.bytes).toBe(1240 * 28);
  });
});

describe('cases', () => {
  it('many has 150 matrices of 7 to 2048 elements', () => {
    const { shapes } = caseNamed('many')!;
    expect(shapes).toHaveLength(150);
    expect([shapes[0], shapes[149]]).toEqual([
      [7, 1],
      [64, 32],
    ]);
  });

  it('gpt has the 148 tensors of GPT-2 and about 10 million parameters', () => {
    const gpt = caseNamed('gpt')!;
    expect(gpt.shapes).toHaveLength(148);
    expect(parametersOf(gpt) / 1e7).toBeCloseTo(1, 1);
  });

  it.each([
    ['1e4', [100, 100]],
    ['1e5', [250, 400]],
    ['7', [1, 7]],
    ['5e7', [6250, 8000]],
  ])('%s is one matrix', (name, shape) => {
    expect(caseNamed(name)).toEqual({ name, shapes: [shape] });
  });

  it('shapes survive the way to another program', () => {
    const { shapes } = caseNamed('gpt')!;
    expect(parseShapes(startLine(shapes).slice('start '.length))).toEqual(shapes);
  });
});

describe('ratios', () => {
  const result = (subject: string, status: string, times: number[]): SubjectResult => ({
    subject,
    status,
    rounds: times.map((milliseconds) => ({ steps: 1, milliseconds })),
  });

  it('are taken within a round', () => {
    // A machine that is ten times slower in the second round changes no ratio.
    const [ratio] = ratiosOf(
      [{ over: 'a', under: 'b', limit: 1 }],
      [result('a', 'ok', [2, 20, 3]), result('b', 'ok', [1, 10, 1])],
    );
    expect(ratio).toEqual({
      over: 'a',
      under: 'b',
      limit: 1,
      median: 2,
      min: 2,
      max: 3,
      rounds: [2, 2, 3],
    });
  });

  it('are taken over the rounds that both had', () => {
    const [ratio] = ratiosOf(
      [{ over: 'a', under: 'b' }],
      [result('a', 'ok', [4, 4]), result('b', 'ok', [1, 2, 3, 4])],
    );
    expect(ratio.rounds).toEqual([4, 2]);
  });

  it('are taken by byte where the two move different amounts', () => {
    const moved = (subject: string, milliseconds: number, bytes: number): SubjectResult => ({
      ...result(subject, 'ok', [milliseconds]),
      ...figures([{ steps: 1, milliseconds }], 1, bytes),
    });
    const [ratio] = ratiosOf(
      [{ over: 'a', under: 'b', perByte: true }],
      [moved('a', 2, 1e6), moved('b', 5, 5e6)],
    );
    expect(ratio.median).toBeCloseTo(2, 12);
  });

  it('are left out where one of the two did not run', () => {
    expect(
      ratiosOf(
        [{ over: 'a', under: 'b' }],
        [result('a', 'out of memory', []), result('b', 'ok', [1])],
      ),
    ).toEqual([]);
  });

  it('name subjects that exist', () => {
    const names = subjects.map(({ name }) => name);
    for (const { over, under } of comparisons)
      expect(names).toEqual(expect.arrayContaining([over, under]));
    expect(new Set(names).size).toBe(names.length);
  });
});

describe('a program that fails', () => {
  it.each([
    [
      'the heap',
      "console.error('FATAL ERROR: JavaScript heap out of memory ' + 'x'.repeat(200_000)); process.exit(7)",
      'out of memory',
    ],
    ['the system', "process.kill(process.pid, 'SIGKILL')", 'out of memory'],
    [
      'something else',
      "console.error('TypeError: broken'); process.exit(7)",
      'failed: TypeError: broken',
    ],
    ['no word', 'process.exit(7)', 'failed: it ended with 7'],
  ])('tells why: %s', async (_, script, reason) => {
    const player = new Player({ file: process.execPath, args: ['-e', script] });
    await expect(player.start([[1]])).rejects.toThrow(reason);
    await expect(player.round(1)).rejects.toThrow(reason);
    await player.end();
  });

  it('tells so when it cannot be started', async () => {
    const player = new Player({ file: join(tmpdir(), 'there-is-no-such-program'), args: [] });
    await expect(player.start([[1]])).rejects.toThrow('ENOENT');
    await player.end();
  });

  it('is a row of the table', () => {
    const subject = { subject: 'tf.train.adam wasm', status: 'out of memory', rounds: [] };
    expect(
      caseText({ case: '1e8', tensors: 1, parameters: 1e8, ratios: [], subjects: [subject] }),
    ).toMatch(/tf\.train\.adam wasm +- +- +- +out of memory$/);
  });
});

describe('native.c', () => {
  const native = compileNative();
  // A test's process may be ended without an exit.
  afterAll(() => native && rmSync(dirname(native.file), { recursive: true }));

  it
    .runIf(native)
    .each(subjects.flatMap((subject) => ('native' in subject ? [subject.native] : [])))(
    '%s answers',
    async (rule) => {
      const player = new Player({ file: native!.file, args: [rule] });
      const slots = rule.includes('adamw') ? 2 : 1;
      // Norms and energies: of the matrix alone, since vectors do not rotate.
      const neuronSlots = rule.includes('-') ? slots * (rule.endsWith('first') ? 3 : 5) : 0;
      expect(await player.start([[3, 5], [7]])).toMatchObject({
        bytes: 4 * (22 * (3 + 2 * slots) + 2 * neuronSlots),
      });
      const round = await player.round(1);
      expect(round.steps).toBeGreaterThan(0);
      expect(round.milliseconds).toBeGreaterThan(0);
      await player.end();
    },
  );
});

describe('the command line', () => {
  it('has defaults, and shorter ones for --quick', () => {
    expect(parseOptions([])).toMatchObject({
      rounds: 5,
      milliseconds: 100,
      targets: ['wasm', 'cpu'],
    });
    expect(parseOptions([])!.cases.map(({ name }) => name)).toEqual([
      '1e4',
      '1e5',
      '1e6',
      '1e7',
      '5e7',
      'gpt',
    ]);
    expect(parseOptions(['--quick', '--rounds', '4'])).toMatchObject({
      rounds: 4,
      milliseconds: 30,
      cases: [{ name: '1e6' }],
    });
    expect(parseOptions(['--backend', 'webgpu'])).toMatchObject({
      targets: ['webgpu'],
      cases: [{ name: 'many' }],
      out: expect.stringMatching(/step-cost-webgpu\.json$/),
    });
    expect(parseOptions(['--gpu'])).toMatchObject({
      targets: ['gpu'],
      cases: [{ name: '1e6' }, { name: '1e7' }, { name: '1e8' }],
      out: expect.stringMatching(/step-cost-gpu\.json$/),
    });
    expect(parseOptions(['--help'])).toBeUndefined();
    expect(help).toContain('--sizes');
  });

  it.each([
    [
      ['--sizes', '1e4,big'],
      "bench: --sizes must be some of 1e4, 1e5, 1e6, 1e7, 5e7, gpt, many, or other whole numbers above 0, got 'big'",
    ],
    [['--sizes', '1e4,1e4'], 'bench: --sizes must name each item once'],
    [['--sizes', ''], 'bench: --sizes must be some of'],
    [['--rounds', '0'], 'bench: --rounds must be a whole number of at least 1'],
    [['--backend', 'gpu'], 'bench: --backend must be some of wasm, cpu, webgpu'],
    [['--gpu', '--backend', 'wasm'], "bench: --backend must be left out with --gpu, got 'wasm'"],
    [['--steps', '3'], 'Allowed are --sizes, --rounds, --backend, --gpu, --quick, --out, --help'],
  ])('%s is refused', (args, message) => {
    expect(() => parseOptions(args)).toThrow(message);
  });
});
