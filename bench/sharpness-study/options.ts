import { fileURLToPath } from 'node:url';
import { backendNames, type BackendName } from '../support/backend.js';
import {
  anyText,
  oneOf,
  optionsHelp,
  readOptions,
  wholeNumber,
  type OptionTable,
} from '../support/command-line.js';
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

const options = {
  seed: {
    read: wholeNumber(0, 2 ** 31 - 1),
    usual: '1',
    help: 'seed of the weights, the same for all runs',
  },
  steps: {
    read: wholeNumber(1),
    usual: '300',
    help: 'steps of every run that does not diverge',
  },
  every: {
    read: wholeNumber(1),
    usual: '5',
    help:
      `steps between two measurements of the sharpness, twice as many after step ${earlySteps}; ` +
      'most of the time goes into them',
  },
  samples: {
    read: wholeNumber(1, 5000),
    usual: '500',
    help: 'images to learn, all in one batch, at most 5000',
  },
  width: {
    read: wholeNumber(1),
    usual: '64',
    help: 'units of each of the 3 hidden layers',
  },
  backend: {
    read: oneOf(backendNames),
    usual: 'wasm',
    help: `tfjs backend: ${backendNames.join(', ')}`,
  },
  report: {
    read: anyText,
    usual: fileURLToPath(new URL('../../report', import.meta.url)),
    argument: 'FOLDER',
    help: 'where sharpness.html and sharpness.json go (default report)',
  },
} satisfies OptionTable;

const title =
  'Follows loss and sharpness of full-batch gradient descent on Fashion-MNIST, with and without a ' +
  'learning-rate warmup.';

export const help = `${title}

  npm run study:sharpness -- [options]

${optionsHelp(options)}
`;

/** Settings from the command line, or undefined where only help is asked for. */
export const parseOptions = (args: string[]): Settings | undefined =>
  readOptions('study', options, args);
