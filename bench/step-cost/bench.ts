/** Runs the subjects of each case in interleaved rounds: A B C A B C ..., one at a time. */
import { freemem } from 'node:os';
import { parametersOf, type Case } from './cases.js';
import { thisMachine } from './machine.js';
import { compileNative, type NativeProgram } from './native.js';
import { Player, scriptProgram } from './player.js';
import type { Round } from './protocol.js';
import { figures, ratiosOf, type BenchResult, type CaseResult, type SubjectResult } from './results.js';
import { ratios, subjects, type BackendName, type Subject } from './subjects.js';

export type BenchSettings = {
  readonly cases: readonly Case[];
  readonly rounds: number;
  /** How long a round of one subject is; a step that takes longer is a round of its own. */
  readonly milliseconds: number;
  /** As long, nobody looks: until scripts are compiled and caches filled. */
  readonly warmupMilliseconds: number;
  /** Subjects of other backends are left out. */
  readonly backends: readonly BackendName[];
};

export type Listener = {
  /** What is done now, to show that something is. */
  readonly doing?: (text: string) => void;
  /** Called after each case, with all results so far. */
  readonly finished?: (result: CaseResult, all: BenchResult) => void | Promise<void>;
};

export async function runBench({ cases, backends, ...times }: BenchSettings, { doing, finished }: Listener = {}): Promise<BenchResult> {
  const native = compileNative();
  const chosen = subjects.filter(({ backend }) => backend === undefined || backends.includes(backend));
  const results: CaseResult[] = [];
  const all: BenchResult = { machine: thisMachine(native?.compiler), settings: times, cases: results };
  for (const item of cases) {
    const result = await runCase(item, chosen, native, times, (text) => doing?.(`${item.name}: ${text}`));
    results.push(result);
    await finished?.(result, all);
  }
  return all;
}

/** A subject in the course of a case. */
type Entry = { readonly subject: Subject; readonly player: Player | undefined; readonly rounds: Round[]; bytes?: number; status: string };

type Times = Omit<BenchSettings, 'cases' | 'backends'>;

async function runCase(item: Case, chosen: readonly Subject[], native: NativeProgram | undefined, { rounds, milliseconds, warmupMilliseconds }: Times, doing: (text: string) => void): Promise<CaseResult> {
  const parameters = parametersOf(item);
  const entries = chosen.map((subject): Entry => {
    const program = 'start' in subject ? scriptProgram(subject.name) : native && { file: native.file, args: [subject.native] };
    // All programs load at once; from then on one works at a time.
    return program ? { subject, player: new Player(program), rounds: [], status: 'ok' } : { subject, player: undefined, rounds: [], status: 'left out: no C compiler is found' };
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
      if (first < warmupMilliseconds) await player.round(warmupMilliseconds);
    });
    for (let round = 1; round <= rounds; round++) {
      await inTurn(async (entry, player) => {
        doing(`round ${round} of ${rounds}, ${entry.subject.name}`);
        entry.rounds.push(await player.round(milliseconds));
      });
    }
  } finally {
    await Promise.all(entries.map(({ player }) => player?.end()));
  }
  const results = entries.map(({ subject, status, rounds: done, bytes }): SubjectResult => ({
    subject: subject.name, status, ...(status === 'ok' ? figures(done, parameters, bytes) : {}), rounds: done,
  }));
  return { case: item.name, tensors: item.shapes.length, parameters, ratios: ratiosOf(ratios, results), subjects: results };
}

/** A machine that swaps, or ends other programs, gives no figures. */
function checkMemory(bytes: number): void {
  const [needed, free] = [bytes, freemem()].map((amount) => (amount / 1e9).toFixed(1));
  if (bytes > freemem()) throw new Error(`left out: it needs ${needed} GB of memory, ${free} GB are free`);
}
