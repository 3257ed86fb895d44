import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { check } from '../../src/check.js';
import { backendNames, type BackendName } from '../support/backend.js';
import { earlySteps } from './train.js';

/** What the study is asked to do. */
export interface Settings {
  seed: number;
  /** Steps of a run that does not diverge. */
  steps: number;
  /**
   * Steps between two measurements of the sharpness, on the first `earlySteps`; later twice as
   * many.
   */
  every: number;
  samples: number;
  /** Of each hidden layer. */
  width: number;
  backend: BackendName;
  /** Folder to write. */
  report: string;
}

const flags = {
  seed: { type: 'string', default: '1' },
  steps: { type: 'string', default: '300' },
  every: { type: 'string', default: '5' },
  samples: { type: 'string', default: '500' },
  width: { type: 'string', default: '64' },
  backend: { type: 'string', default: 'wasm' },
  report: { type: 'string', default: fileURLToPath(new URL('../../report', import.meta.url)) },
  help: { type: 'boolean', short: 'h', default: false },
} as const;

export const help = `Follows loss and sharpness of full-batch gradient descent on Fashion-MNIST, with and without a learning-rate warmup.

  npm run study:sharpness -- [options]

  --seed ${flags.seed.default}            seed of the weights, the same for all runs
  --steps ${flags.steps.default}         steps of every run that does not diverge
  --every ${flags.every.default}           steps between two measurements of the sharpness, twice as many after step ${earlySteps}; most of the
                      time goes into them
  --samples ${flags.samples.default}       images to learn, all in one batch, at most 5000
  --width ${flags.width.default}          units of each of the 3 hidden layers
  --backend ${flags.backend.default}      tfjs backend: ${backendNames.join(', ')}
  --report FOLDER     where sharpness.html and sharpness.json go (default report)
  --help              this text
`;

/** Settings from the command line, or undefined where only help is asked for. */
export function parseOptions(args: string[]): Settings | undefined {
  const { help, report, backend, ...values } = parse(args);
  if (help) return undefined;
  check(
    (backendNames as string[]).includes(backend),
    'study',
    '--backend',
    `be one of ${backendNames.join(', ')}`,
    backend,
  );
  return {
    seed: wholeNumber('--seed', values.seed, 0, 2 ** 31 - 1),
    steps: wholeNumber('--steps', values.steps, 1),
    every: wholeNumber('--every', values.every, 1),
    samples: wholeNumber('--samples', values.samples, 1, 5000),
    width: wholeNumber('--width', values.width, 1),
    backend: backend as BackendName,
    report,
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

function wholeNumber(flag: string, text: string, least: number, most = Infinity): number {
  // Number('') is 0 and would pass for a seed.
  const value = text.trim() === '' ? NaN : Number(text);
  const allowed = most === Infinity ? `of at least ${least}` : `from ${least} to ${most}`;
  check(
    Number.isSafeInteger(value) && value >= least && value <= most,
    'study',
    flag,
    `be a whole number ${allowed}`,
    text,
  );
  return value;
}
