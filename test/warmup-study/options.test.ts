import { describe, expect, it } from 'vitest';
import { experiments } from '../../bench/warmup-study/experiments.js';
import { help, parseOptions } from '../../bench/warmup-study/options.js';

describe('the command line', () => {
  it('asks by default for AdamW and GIAdam on seed 1 at 0.02 on wasm', () => {
    expect(parseOptions([])).toMatchObject({
      learningRate: 0.02,
      steps: 400,
      seeds: [1],
      optimizers: ['AdamW', 'GIAdam'],
      backend: 'wasm',
    });
    expect(parseOptions([])!.text).toMatch(/moby-dick\.txt$/);
  });

  it('reads every option', () => {
    const args =
      '--lr 1e-3 --steps 20 --seeds 1,2,3 --optimizers GIAdam --backend cpu --text a.txt --report out'.split(
        ' ',
      );
    expect(parseOptions(args)).toEqual({
      learningRate: 1e-3,
      steps: 20,
      seeds: [1, 2, 3],
      optimizers: ['GIAdam'],
      backend: 'cpu',
      text: 'a.txt',
      report: 'out',
    });
  });

  it('takes all for every optimizer, and names each in its help', () => {
    const { optimizers } = parseOptions(['--optimizers', 'all'])!;
    expect(optimizers).toEqual([...new Set(experiments.map(({ optimizer }) => optimizer))]);
    for (const name of optimizers) expect(help).toContain(name);
  });

  it('gives no settings where help is asked for, and a help that names every option', () => {
    expect(parseOptions(['--help'])).toBeUndefined();
    for (const flag of [
      '--lr',
      '--steps',
      '--seeds',
      '--optimizers',
      '--backend',
      '--text',
      '--report',
      '--help',
    ])
      expect(help).toContain(flag);
  });

  it.each([
    ['--lr 0', "study: --lr must be a number above 0, got '0'"],
    ['--lr fast', "study: --lr must be a number above 0, got 'fast'"],
    ['--lr=', "study: --lr must be a number above 0, got ''"],
    ['--steps 2.5', "study: --steps must be a whole number of at least 1, got '2.5'"],
    ['--steps 0', "study: --steps must be a whole number of at least 1, got '0'"],
    ['--seeds 1,x', "study: --seeds must be whole numbers from 0 to 2^31 - 1, like 1,2,3, got 'x'"],
    ['--seeds 1,,2', "study: --seeds must be whole numbers from 0 to 2^31 - 1, like 1,2,3, got ''"],
    ['--seeds 1,1', "study: --seeds must name each item once, got '1,1'"],
    [
      '--optimizers Adam',
      'study: --optimizers must be some of AdamW, GIAdam, LionAR, RotationalAdamW, RotationalLion, RotationalSGDM, ',
    ],
    ['--backend gpu', "study: --backend must be one of wasm, cpu, webgpu, got 'gpu'"],
    ['--speed 3', "study: Unknown option '--speed'"],
    ['more', 'study: Unexpected argument'],
  ])('%s is an error that says what is allowed', (args, message) => {
    expect(() => parseOptions(args.split(' '))).toThrow(message);
  });
});
