/** The command line of the bench. */
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { check } from '../../src/check.js';
import type { BenchSettings } from './bench.js';
import { caseNamed, sizeNames, type Case } from './cases.js';
import { backendNames, type BackendName, type Target } from './subjects.js';

const flags = {
  sizes: { type: 'string' },
  rounds: { type: 'string' },
  backend: { type: 'string' },
  gpu: { type: 'boolean', default: false },
  quick: { type: 'boolean', default: false },
  out: { type: 'string' },
  help: { type: 'boolean', short: 'h', default: false },
} as const;

const inRepository = (path: string): string =>
  fileURLToPath(new URL(`../../${path}`, import.meta.url));

const backends = 'wasm,cpu';

// What a quick look gives is not worth keeping: report/ is not under version control.
const full = { rounds: '5', milliseconds: 100, warmupMilliseconds: 300, folder: 'bench/results' };
const quick = { rounds: '3', milliseconds: 30, warmupMilliseconds: 100, folder: 'report' };

/** What is measured together, and where it goes. */
const kinds = {
  cpu: { sizes: '1e4,1e5,1e6,1e7,5e7,gpt', quickSizes: '1e6', out: 'step-cost.json' },
  webgpu: { sizes: 'many', quickSizes: 'many', out: 'step-cost-webgpu.json' },
  gpu: { sizes: '1e6,1e7,1e8', quickSizes: '1e6', out: 'step-cost-gpu.json' },
} as const;

const kindOf = (targets: readonly Target[]): keyof typeof kinds =>
  targets.includes('gpu')
    ? 'gpu'
    : targets.every((target) => target === 'webgpu')
      ? 'webgpu'
      : 'cpu';

export const help = `Measures what an optimizer's step costs, beside tf.train.adam, a JavaScript loop and a C loop that moves the same bytes.

  npm run bench -- [options]

  --sizes ${kinds.cpu.sizes}
                    parameters in one matrix; gpt: the 148 tensors of a small GPT-2; many: 150 tensors of 7 to 2048
                    elements (the default with --backend webgpu alone). Rotational optimizers and probes take part in
                    cases of 5e6 to 2e7 parameters
  --rounds ${full.rounds}        how often each subject has its turn; twice at most where a step takes seconds
  --backend ${backends}
                    tfjs backends, of ${backendNames.join(', ')}. On wasm and cpu the C and the JavaScript loop run beside
                    them; on webgpu, with any driver, the encoding of a step is timed and what it asks of the device counted
  --gpu             instead of backends: the bandwidth of steps on this machine's own Vulkan driver, by that of a copy;
                    --sizes ${kinds.gpu.sizes}. TFJS_WARMUP_VULKAN=npm takes the software driver of the tests, to try it
  --out FILE        where the JSON goes (default ${full.folder}/${kinds.cpu.out}, step-cost-webgpu.json or step-cost-gpu.json)
  --quick           a first look in half a minute: --sizes ${kinds.cpu.quickSizes} --rounds ${quick.rounds} --out ${quick.folder}/${kinds.cpu.out}, shorter rounds
  --help            this text

Ratios are taken within a round and are the medians over the rounds. Figures want a machine that does nothing else.
`;

export type Settings = BenchSettings & { readonly out: string };

/** Settings from the command line, or undefined where only help is asked for. */
export function parseOptions(args: string[]): Settings | undefined {
  const values = parse(args);
  if (values.help) return undefined;
  check(
    !values.gpu || values.backend === undefined,
    'bench',
    '--backend',
    'be left out with --gpu',
    values.backend,
  );
  const targets: Target[] = values.gpu
    ? ['gpu']
    : list('--backend', values.backend ?? backends).map(parseBackend);
  const { rounds, milliseconds, warmupMilliseconds, folder } = values.quick ? quick : full;
  const kind = kinds[kindOf(targets)];
  return {
    cases: list('--sizes', values.sizes ?? (values.quick ? kind.quickSizes : kind.sizes)).map(
      parseCase,
    ),
    rounds: parseRounds(values.rounds ?? rounds),
    milliseconds,
    warmupMilliseconds,
    targets,
    out: values.out ?? inRepository(`${folder}/${kind.out}`),
  };
}

function parse(args: string[]) {
  try {
    return parseArgs({ args, options: flags }).values;
  } catch (error) {
    throw new Error(
      `bench: ${(error as Error).message}. Allowed are ${Object.keys(flags)
        .map((flag) => `--${flag}`)
        .join(', ')}`,
      { cause: error },
    );
  }
}

function list(flag: string, text: string): string[] {
  const items = text.split(',').map((item) => item.trim());
  check(new Set(items).size === items.length, 'bench', flag, 'name each item once', text);
  return items;
}

function parseCase(name: string): Case {
  const found = caseNamed(name);
  check(
    found !== undefined,
    'bench',
    '--sizes',
    `be some of ${sizeNames.join(', ')}, or other whole numbers above 0`,
    name,
  );
  return found;
}

function parseRounds(text: string): number {
  const rounds = Number(text);
  check(
    Number.isSafeInteger(rounds) && rounds >= 1,
    'bench',
    '--rounds',
    'be a whole number of at least 1',
    text,
  );
  return rounds;
}

function parseBackend(name: string): BackendName {
  check(
    (backendNames as readonly string[]).includes(name),
    'bench',
    '--backend',
    `be some of ${backendNames.join(', ')}`,
    name,
  );
  return name as BackendName;
}
