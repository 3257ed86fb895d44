/** Runs the subjects of each case in interleaved rounds: A B C A B C ..., one at a time. */
import { CaseRun, type Times } from './case-run.js';
import { parametersOf, type Case } from './cases.js';
import { findAdapter, thisMachine } from './machine.js';
import { compileNative } from './native.js';
import type { BenchResult, CaseResult } from './results.js';
import type { Target } from './subject.js';
import { comparisons, subjects } from './subjects.js';

export type BenchSettings = Times & {
  readonly cases: readonly Case[];
  /** Subjects of other targets are left out. */
  readonly targets: readonly Target[];
};

export type Listener = {
  /** What is done now, to show that something is. */
  readonly doing?: (text: string) => void;
  /** Called after each case, with all results so far. */
  readonly finished?: (result: CaseResult, all: BenchResult) => void | Promise<void>;
};

export async function runBench(
  { cases, targets, ...times }: BenchSettings,
  { doing, finished }: Listener = {},
): Promise<BenchResult> {
  const chosen = subjects.filter((subject) =>
    subject.targets.some((target) => targets.includes(target)),
  );
  const adapter = targets.some((target) => target === 'webgpu' || target === 'gpu')
    ? await findAdapter()
    : undefined;
  const native = chosen.some((subject) => 'native' in subject) ? compileNative() : undefined;
  const results: CaseResult[] = [];
  const all: BenchResult = {
    machine: thisMachine({ compiler: native?.compiler, adapter }),
    settings: times,
    cases: results,
  };
  for (const one of cases) {
    const size = parametersOf(one);
    const fitting = chosen.filter(
      ({ parameters: [least, most] = [0, Infinity] }) => least <= size && size <= most,
    );
    const run = new CaseRun(one, fitting, {
      native,
      times,
      doing: (text) => doing?.(`${one.name}: ${text}`),
    });
    const result = await run.result(comparisons);
    results.push(result);
    await finished?.(result, all);
  }
  return all;
}
