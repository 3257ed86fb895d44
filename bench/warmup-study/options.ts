import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { check } from '../../src/check.js';
import { backendNames, type BackendName } from '../support/backend.js';
import { defaultOptimizers, optimizerNames } from './experiments.js';

/** What a study is asked to do. */
export interface Settings {
  learningRate: number;
  steps: number;
  seeds: number[];
  optimizers: string[];
  backend: BackendName;
  /** Path of the text to learn. */
  text: string;
  /** Folder to write. */
  report: string;
}

const flags = {
  lr: { type: 'string', default: '0.02' },
  steps: { type: 'string', default: '400' },
  seeds: { type: 'string', default: '1' },
  optimizers: { type: 'string', default: defaultOptimizers.join(',') },
  backend: { type: 'string', default: 'wasm' },
  text: {
    type: 'string',
    default: fileURLToPath(new URL('../data/moby-dick.txt', import.meta.url)),
  },
  report: { type: 'string', default: fileURLToPath(new URL('../../report', import.meta.url)) },
  help: { type: 'boolean', short: 'h', default: false },
} as const;

export const help = `Trains a small character GPT with and without a learning-rate warmup and compares the validation losses.

  npm run study -- [options]

  --lr ${flags.lr.default}             peak learning rate; LionAR turns by twice as many radians a step
  --steps ${flags.steps.default}           steps of every run
  --seeds 1,2,3         seeds; each gives its own weights and batches, the same for all runs (default ${flags.seeds.default})
  --optimizers ${flags.optimizers.default}
                        optimizers whose runs are made: all, or some of
                        ${optimizerNames.slice(0, 6).join(',')},
                        ${optimizerNames.slice(6).join(',')}
  --backend ${flags.backend.default}        tfjs backend: ${backendNames.join(', ')}
  --text FILE           text to learn, UTF-8 (default Moby-Dick)
  --report FOLDER       where index.html and study.json go (default report)
  --help                this text
`;

/** Settings from the command line, or undefined where only help is asked for. */
export function parseOptions(args: string[]): Settings | undefined {
  const values = parse(args);
  return values.help
    ? undefined
    : {
        learningRate: number('--lr', values.lr, 'be a number above 0', (value) => value > 0),
        steps: number(
          '--steps',
          values.steps,
          'be a whole number of at least 1',
          (value) => Number.isSafeInteger(value) && value >= 1,
        ),
        seeds: list('--seeds', values.seeds).map((seed) =>
          number('--seeds', seed, 'be whole numbers from 0 to 2^31 - 1, like 1,2,3', isSeed),
        ),
        optimizers:
          values.optimizers === 'all'
            ? [...optimizerNames]
            : list('--optimizers', values.optimizers).map((name) =>
                oneOf('--optimizers', name, optimizerNames),
              ),
        backend: oneOf('--backend', values.backend, backendNames),
        text: values.text,
        report: values.report,
      };
}

function parse(args: string[]) {
  try {
    return parseArgs({ args, options: flags }).values;
  } catch (error) {
    throw new Error(
      `study: ${(error as Error).message}. Allowed are ${Object.keys(flags)
        .map((flag) => `--${flag}`)
        .join(', ')}`,
      { cause: error },
    );
  }
}

// The batches use the seed's complement, which is another seed only within 31 bits.
const isSeed = (value: number): boolean => Number.isInteger(value) && value >= 0 && value < 2 ** 31;

function number(
  flag: string,
  text: string,
  allowed: string,
  valid: (value: number) => boolean,
): number {
  // Number('') is 0 and would pass for a seed.
  const value = text.trim() === '' ? NaN : Number(text);
  check(Number.isFinite(value) && valid(value), 'study', flag, allowed, text);
  return value;
}

function list(flag: string, text: string): string[] {
  const items = text.split(',').map((item) => item.trim());
  check(new Set(items).size === items.length, 'study', flag, 'name each item once', text);
  return items;
}

function oneOf<T extends string>(flag: string, name: string, names: readonly T[]): T {
  check(
    (names as readonly string[]).includes(name),
    'study',
    flag,
    `be ${flag.endsWith('s') ? 'some of' : 'one of'} ${names.join(', ')}`,
    name,
  );
  return name as T;
}
