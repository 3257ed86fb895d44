/** The command line of the bench. */
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { check } from '../../src/check.js';
import type { BenchSettings } from './bench.js';
import { caseNamed, sizeNames, type Case } from './cases.js';
import { backendNames, type BackendName } from './subjects.js';

const flags = {
  sizes: { type: 'string' },
  rounds: { type: 'string' },
  backend: { type: 'string', default: backendNames.join(',') },
  quick: { type: 'boolean', default: false },
  out: { type: 'string' },
  help: { type: 'boolean', short: 'h', default: false },
} as const;

const inRepository = (path: string): string => fileURLToPath(new URL(`../../${path}`, import.meta.url));

// What a quick look gives is not worth keeping: report/ is not under version control.
const full = { sizes: sizeNames.join(','), rounds: '5', milliseconds: 100, warmupMilliseconds: 500, out: 'bench/results/step-cost.json' };
const quick = { sizes: '1e6', rounds: '3', milliseconds: 30, warmupMilliseconds: 100, out: 'report/step-cost.json' };

export const help = `Measures what an optimizer's step costs, beside tf.train.adam, a JavaScript loop and a C loop that moves the same bytes.

  npm run bench -- [options]

  --sizes ${full.sizes}
                    parameters in one tensor, or gpt: the 148 tensors of a small GPT-2
  --rounds ${full.rounds}        how often each subject has its turn
  --backend ${backendNames.join(',')}
                    tfjs backends; the JavaScript and the C loop always run
  --out FILE        where the JSON goes (default ${full.out})
  --quick           a first look in half a minute: --sizes ${quick.sizes} --rounds ${quick.rounds} --out ${quick.out}, shorter rounds
  --help            this text

Ratios are taken within a round and are the medians over the rounds. Figures want a machine that does nothing else.
`;

export type Settings = BenchSettings & { readonly out: string };

/** Settings from the command line, or undefined where only help is asked for. */
export function parseOptions(args: string[]): Settings | undefined {
  const values = parse(args);
  if (values.help) return undefined;
  const defaults = values.quick ? quick : full;
  return {
    cases: list('--sizes', values.sizes ?? defaults.sizes).map(parseCase),
    rounds: parseRounds(values.rounds ?? defaults.rounds),
    milliseconds: defaults.milliseconds,
    warmupMilliseconds: defaults.warmupMilliseconds,
    backends: list('--backend', values.backend).map(parseBackend),
    out: values.out ?? inRepository(defaults.out),
  };
}

function parse(args: string[]) {
  try {
    return parseArgs({ args, options: flags }).values;
  } catch (error) {
    throw new Error(`bench: ${(error as Error).message}. Allowed are ${Object.keys(flags).map((flag) => `--${flag}`).join(', ')}`, { cause: error });
  }
}

function list(flag: string, text: string): string[] {
  const items = text.split(',').map((item) => item.trim());
  check(new Set(items).size === items.length, 'bench', flag, 'name each item once', text);
  return items;
}

function parseCase(name: string): Case {
  const found = caseNamed(name);
  check(found !== undefined, 'bench', '--sizes', `be some of ${sizeNames.join(', ')}, or other whole numbers above 0`, name);
  return found;
}

function parseRounds(text: string): number {
  const rounds = Number(text);
  check(Number.isSafeInteger(rounds) && rounds >= 1, 'bench', '--rounds', 'be a whole number of at least 1', text);
  return rounds;
}

function parseBackend(name: string): BackendName {
  check((backendNames as readonly string[]).includes(name), 'bench', '--backend', `be some of ${backendNames.join(', ')}`, name);
  return name as BackendName;
}
