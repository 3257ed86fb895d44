import { fileURLToPath } from 'node:url';
import { backendNames, type BackendName } from '../support/backend.js';
import {
  anyText,
  listOf,
  oneOf,
  optionsHelp,
  positiveNumber,
  readOptions,
  someOf,
  wholeNumber,
  type OptionTable,
  type Reader,
} from '../support/command-line.js';
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

// The batches use the seed's complement, which is another seed only within 31 bits.
const seed = wholeNumber(0, 2 ** 31 - 1, 'be whole numbers from 0 to 2^31 - 1, like 1,2,3');

const optimizers: Reader<string[]> = (text, refuse) =>
  text === 'all' ? [...optimizerNames] : someOf(optimizerNames)(text, refuse);

const options = {
  lr: {
    read: positiveNumber,
    usual: '0.02',
    help: 'peak learning rate; LionAR turns by twice as many radians a step',
  },
  steps: { read: wholeNumber(1), usual: '400', help: 'steps of every run' },
  seeds: {
    read: listOf(seed),
    usual: '1',
    argument: '1,2,3',
    help: 'seeds; each gives its own weights and batches, the same for all runs (default 1)',
  },
  optimizers: {
    read: optimizers,
    usual: defaultOptimizers.join(','),
    help: `optimizers whose runs are made: all, or some of ${optimizerNames.join(', ')}`,
  },
  backend: {
    read: oneOf(backendNames),
    usual: 'wasm',
    help: `tfjs backend: ${backendNames.join(', ')}`,
  },
  text: {
    read: anyText,
    usual: fileURLToPath(new URL('../data/moby-dick.txt', import.meta.url)),
    argument: 'FILE',
    help: 'text to learn, UTF-8 (default Moby-Dick)',
  },
  report: {
    read: anyText,
    usual: fileURLToPath(new URL('../../report', import.meta.url)),
    argument: 'FOLDER',
    help: 'where index.html and study.json go (default report)',
  },
} satisfies OptionTable;

const title =
  'Trains a small character GPT with and without a learning-rate warmup and compares the ' +
  'validation losses.';

export const help = `${title}

  npm run study -- [options]

${optionsHelp(options)}
`;

/** Settings from the command line, or undefined where only help is asked for. */
export function parseOptions(args: string[]): Settings | undefined {
  const values = readOptions('study', options, args);
  if (!values) return undefined;
  const { lr, ...settings } = values;
  return { learningRate: lr, ...settings };
}
