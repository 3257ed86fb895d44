/** Runs the subjects of each case in interleaved rounds: A B C A B C ..., one at a time. */
import { freemem } from 'node:os';
import { parametersOf, type Case } from './cases.js';
import { findAdapter, thisMachine } from './machine.js';
import { compileNative, type NativeProgram } from './native.js';
import { Player, scriptProgram } from './player.js';
import type { Counts, Round } from './protocol.js';
import {
  figures,
  ratiosOf,
  type BenchResult,
  type CaseResult,
  type SubjectResult,
} from './results.js';
import { comparisons, subjects, type Subject, type Target } from './subjects.js';

export type BenchSettings = {
  readonly cases: readonly Case[];
  readonly rounds: number;
  /** How long a round of one subject is; a step that takes longer is a round of its own. */
  readonly milliseconds: number;
  /** As long, nobody looks: until scripts are compiled and caches filled. */
  readonly warmupMilliseconds: number;
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
  for (const item of cases) {
    const size = parametersOf(item);
    const fitting = chosen.filter(
      ({ parameters: [least, most] = [0, Infinity] }) => least <= size && size <= most,
    );
    const result = await runCase(item, fitting, native, times, (text) =>
      doing?.(`${item.name}: ${text}`),
    );
    results.push(result);
    await finished?.(result, all);
  }
  return all;
}

/** A subject in the course of a case. */
type Entry = {
  readonly subject: Subject;
  readonly player: Player | undefined;
  readonly rounds: Round[];
  bytes?: number;
  first?: number;
  counts?: Counts;
  status: string;
};

type Times = Omit<BenchSettings, 'cases' | 'targets'>;

/**
 * A subject whose step takes longer, in milliseconds, has few rounds: all others would wait for it.
 */
const slowStep = 2000;
const slowRounds = 2;

async function runCase(
  item: Case,
  chosen: readonly Subject[],
  native: NativeProgram | undefined,
  { rounds, milliseconds, warmupMilliseconds }: Times,
  doing: (text: string) => void,
): Promise<CaseResult> {
  const parameters = parametersOf(item);
  const entries = chosen.map((subject): Entry => {
    if (parameters > (subject.tooSlowAbove ?? Infinity))
      return { subject, player: undefined, rounds: [], status: 'left out: a step takes too long' };
    const program =
      'start' in subject
        ? scriptProgram(subject.name)
        : native && { file: native.file, args: [subject.native] };
    // All programs load at once; from then on one works at a time.
    return program
      ? { subject, player: new Player(program), rounds: [], status: 'ok' }
      : { subject, player: undefined, rounds: [], status: 'left out: no C compiler is found' };
  });
  /** Lets each subject that still runs do something; what it throws becomes its status. */
  const inTurn = async (action: (entry: Entry, player: Player) => Promise<void>): Promise<void> => {
    for (const entry of entries) {
      if (entry.status !== 'ok' || !entry.player) continue;
      try {
        await action(entry, entry.player);
      } catch (error) {
        entry.status = (error as Error).message;
        await entry.player.end();
      }
    }
  };
  try {
    await inTurn(async (entry, player) => {
      doing(`starting ${entry.subject.name}`);
      checkMemory(entry.subject.memory * parameters);
      const { milliseconds: first, bytes } = await player.start(item.shapes);
      entry.bytes = bytes;
      entry.first = first;
      if (first < warmupMilliseconds) await player.round(warmupMilliseconds);
    });
    for (let round = 1; round <= rounds; round++) {
      await inTurn(async (entry, player) => {
        if (entry.first! > slowStep && round > slowRounds) return;
        doing(`round ${round} of ${rounds}, ${entry.subject.name}`);
        entry.rounds.push(await player.round(milliseconds));
      });
    }
    await inTurn(async (entry, player) => {
      if (entry.subject.counts) entry.counts = await player.count();
    });
  } finally {
    await Promise.all(entries.map(({ player }) => player?.end()));
  }
  const results = entries.map(
    ({ subject, status, rounds: done, bytes, counts }): SubjectResult => ({
      subject: subject.name,
      status,
      ...(status === 'ok' ? figures(done, parameters, bytes) : {}),
      counts,
      rounds: done,
    }),
  );
  return {
    case: item.name,
    tensors: item.shapes.length,
    parameters,
    ratios: ratiosOf(comparisons, results),
    subjects: results,
  };
}

/** A machine that swaps, or ends other programs, gives no figures. */
function checkMemory(bytes: number): void {
  const [needed, free] = [bytes, freemem()].map((amount) => (amount / 1e9).toFixed(1));
  if (bytes > freemem())
    throw new Error(`left out: it needs ${needed} GB of memory, ${free} GB are free`);
}
