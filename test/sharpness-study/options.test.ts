import { describe, expect, it } from 'vitest';
import { help, parseOptions } from '../../bench/sharpness-study/options.js';

describe('the command line', () => {
  it('asks by default for 300 steps from seed 1 on wasm', () => {
    expect(parseOptions([])).toMatchObject({
      seed: 1,
      steps: 300,
      every: 5,
      samples: 500,
      width: 64,
      backend: 'wasm',
    });
    expect(parseOptions([])!.report).toMatch(/report$/);
  });

  it('reads every option', () => {
    expect(
      parseOptions(
        '--seed 0 --steps 20 --every 2 --samples 100 --width 8 --backend cpu --report out'.split(
          ' ',
        ),
      ),
    ).toEqual({
      seed: 0,
      steps: 20,
      every: 2,
      samples: 100,
      width: 8,
      backend: 'cpu',
      report: 'out',
    });
  });

  it('gives no settings where help is asked for, and a help that names every option', () => {
    expect(parseOptions(['--help'])).toBeUndefined();
    for (const flag of [
      '--seed',
      '--steps',
      '--every',
      '--samples',
      '--width',
      '--backend',
      '--report',
      '--help',
    ])
      expect(help).toContain(flag);
  });

  it.each([
    ['--seed=-1', "study: --seed must be a whole number from 0 to 2147483647, got '-1'"],
    ['--seed=', "study: --seed must be a whole number from 0 to 2147483647, got ''"],
    ['--steps 0', "study: --steps must be a whole number of at least 1, got '0'"],
    ['--every 1.5', "study: --every must be a whole number of at least 1, got '1.5'"],
    ['--samples 5001', "study: --samples must be a whole number from 1 to 5000, got '5001'"],
    ['--width wide', "study: --width must be a whole number of at least 1, got 'wide'"],
    ['--backend gpu', "study: --backend must be one of wasm, cpu, webgpu, got 'gpu'"],
    ['--speed 3', "study: Unknown option '--speed'"],
  ])('refuses %s', (args, message) => {
    expect(() => parseOptions(args.split(' '))).toThrow(message);
  });
});
