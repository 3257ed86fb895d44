/** The command line of the bench. */
import { fileURLToPath } from 'node:url';
import { check } from '../../src/check.js';
import {
  anyText,
  listOf,
  optionsHelp,
  readOptions,
  someOf,
  wholeNumber,
  type OptionTable,
  type Reader,
} from '../support/command-line.js';
import type { BenchSettings } from './bench.js';
import { caseNamed, sizeNames, type Case } from './cases.js';
import { backendNames, type Target } from './subject.js';

const inRepository = (path: string): string =>
  fileURLToPath(new URL(`../../${path}`, import.meta.url));

const usualBackends = ['wasm', 'cpu'] as const;

// What a quick look gives is not worth keeping: report/ is not under version control.
const full = { rounds: 5, milliseconds: 100, warmupMilliseconds: 300, folder: 'bench/results' };
const quick = { rounds: 3, milliseconds: 30, warmupMilliseconds: 100, folder: 'report' };

/** What is measured together, and where it goes. */
const kinds = {
  cpu: {
    sizes: ['1e4', '1e5', '1e6', '1e7', '5e7', 'gpt'],
    quickSizes: ['1e6'],
    out: 'step-cost.json',
  },
  webgpu: { sizes: ['many'], quickSizes: ['many'], out: 'step-cost-webgpu.json' },
  gpu: { sizes: ['1e6', '1e7', '1e8'], quickSizes: ['1e6'], out: 'step-cost-gpu.json' },
} as const;

function kindOf(targets: readonly Target[]): (typeof kinds)[keyof typeof kinds] {
  if (targets.includes('gpu')) return kinds.gpu;
  return targets.every((target) => target === 'webgpu') ? kinds.webgpu : kinds.cpu;
}

const oneCase: Reader<Case> = (name, refuse) =>
  caseNamed(name) ??
  refuse(`be some of ${sizeNames.join(', ')}, or other whole numbers above 0`, name);

const options = {
  sizes: {
    read: listOf(oneCase),
    argument: kinds.cpu.sizes.join(','),
    help:
      'parameters in one matrix; gpt: the 148 tensors of a small GPT-2; many: 150 tensors of 7 to ' +
      '2048 elements (the default with --backend webgpu alone). Rotational optimizers and probes ' +
      'take part in cases of 5e6 to 2e7 parameters',
  },
  rounds: {
    read: wholeNumber(1),
    argument: `${full.rounds}`,
    help: 'how often each subject has its turn; twice at most where a step takes seconds',
  },
  backend: {
    read: someOf(backendNames),
    argument: usualBackends.join(','),
    help:
      `tfjs backends, of ${backendNames.join(', ')}. On wasm and cpu the C and the JavaScript ` +
      'loop run beside them; on webgpu, with any driver, the encoding of a step is timed and what ' +
      'it asks of the device counted',
  },
  gpu: {
    flag: true,
    help:
      "instead of backends: the bandwidth of steps on this machine's own Vulkan driver, by that of " +
      `a copy; --sizes ${kinds.gpu.sizes}. TFJS_WARMUP_VULKAN=npm takes the software driver of the ` +
      'tests, to try it',
  },
  quick: {
    flag: true,
    help:
      `a first look in half a minute: --sizes ${kinds.cpu.quickSizes} --rounds ${quick.rounds} ` +
      `--out ${quick.folder}/${kinds.cpu.out}, shorter rounds`,
  },
  out: {
    read: anyText,
    argument: 'FILE',
    help:
      `where the JSON goes (default ${full.folder}/${kinds.cpu.out}, ${kinds.webgpu.out} or ` +
      `${kinds.gpu.out})`,
  },
} satisfies OptionTable;

const title =
  "Measures what an optimizer's step costs, beside tf.train.adam, a JavaScript loop and a C loop " +
  'that moves the same bytes.';

export const help = `${title}

  npm run bench -- [options]

${optionsHelp(options)}

Ratios are taken within a round and are the medians over the rounds. Figures want a machine that does nothing else.
`;

export type Settings = BenchSettings & { readonly out: string };

/** Settings from the command line, or undefined where only help is asked for. */
export function parseOptions(args: string[]): Settings | undefined {
  const given = readOptions('bench', options, args);
  if (!given) return undefined;
  const { backend, gpu } = given;
  check(
    !gpu || backend === undefined,
    'bench',
    '--backend',
    'be left out with --gpu',
    `${backend}`,
  );
  const targets: Target[] = gpu ? ['gpu'] : (backend ?? [...usualBackends]);
  const { rounds, folder, ...times } = given.quick ? quick : full;
  const { sizes, quickSizes, out } = kindOf(targets);
  return {
    cases: given.sizes ?? (given.quick ? quickSizes : sizes).map((name) => caseNamed(name)!),
    rounds: given.rounds ?? rounds,
    ...times,
    targets,
    out: given.out ?? inRepository(`${folder}/${out}`),
  };
}
