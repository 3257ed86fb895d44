/** One case of the bench: all its subjects in interleaved rounds, one at a time. */
import { freemem } from 'node:os';
import { parametersOf, type Case } from './cases.js';
import type { NativeProgram } from './native.js';
import { Player, scriptProgram, type Program } from './player.js';
import type { Counts, Round } from './protocol.js';
import { figures, ratiosOf, type CaseResult, type SubjectResult } from './results.js';
import type { Comparison, Subject } from './subject.js';

export type Times = {
  readonly rounds: number;
  /** How long a round of one subject is; a step that takes longer is a round of its own. */
  readonly milliseconds: number;
  /** How long steps run untimed before: they compile scripts and fill caches. */
  readonly warmupMilliseconds: number;
};

type Surroundings = {
  readonly native: NativeProgram | undefined;
  readonly times: Times;
  /** Is told what is done now. */
  readonly doing: (text: string) => void;
};

/** A subject in the course of a case. */
type Turn = {
  readonly subject: Subject;
  readonly player: Player | undefined;
  readonly rounds: Round[];
  bytes?: number;
  /** Milliseconds of the first step. */
  first?: number;
  counts?: Counts;
  status: string;
};

/**
 * A subject whose step takes longer, in milliseconds, has few rounds: all others would wait for it.
 */
const slowStep = 2000;
const slowRounds = 2;

export class CaseRun {
  readonly #case: Case;
  readonly #parameters: number;
  readonly #surroundings: Surroundings;
  readonly #turns: readonly Turn[];

  /** Starts the programs of all subjects: they load at once; from then on one works at a time. */
  constructor(one: Case, subjects: readonly Subject[], surroundings: Surroundings) {
    this.#case = one;
    this.#parameters = parametersOf(one);
    this.#surroundings = surroundings;
    this.#turns = subjects.map((subject) => this.#turnOf(subject));
  }

  /** Runs all rounds; ends the programs. */
  async result(comparisons: readonly Comparison[]): Promise<CaseResult> {
    const { rounds } = this.#surroundings.times;
    try {
      await this.#inTurn((turn, player) => this.#start(turn, player));
      for (let round = 1; round <= rounds; round++)
        await this.#inTurn((turn, player) => this.#play(turn, player, round));
      await this.#inTurn(async (turn, player) => {
        if (turn.subject.counts) turn.counts = await player.count();
      });
    } finally {
      await Promise.all(this.#turns.map(({ player }) => player?.end()));
    }
    const results = this.#turns.map((turn) => this.#resultOf(turn));
    return {
      case: this.#case.name,
      tensors: this.#case.shapes.length,
      parameters: this.#parameters,
      ratios: ratiosOf(comparisons, results),
      subjects: results,
    };
  }

  #turnOf(subject: Subject): Turn {
    const leftOut = (status: string): Turn => ({ subject, player: undefined, rounds: [], status });
    if (this.#parameters > (subject.tooSlowAbove ?? Infinity))
      return leftOut('left out: a step takes too long');
    const program = this.#programOf(subject);
    if (!program) return leftOut('left out: no C compiler is found');
    return { subject, player: new Player(program), rounds: [], status: 'ok' };
  }

  #programOf(subject: Subject): Program | undefined {
    if ('start' in subject) return scriptProgram(subject.name);
    const { native } = this.#surroundings;
    return native && { file: native.file, args: [subject.native] };
  }

  /** Lets each subject that still runs do something; what it throws becomes its status. */
  async #inTurn(action: (turn: Turn, player: Player) => Promise<void>): Promise<void> {
    for (const turn of this.#turns) {
      if (turn.status !== 'ok' || !turn.player) continue;
      try {
        await action(turn, turn.player);
      } catch (error) {
        turn.status = (error as Error).message;
        await turn.player.end();
      }
    }
  }

  async #start(turn: Turn, player: Player): Promise<void> {
    const { doing, times } = this.#surroundings;
    const { subject } = turn;
    doing(`starting ${subject.name}`);
    checkMemory(subject.memory * this.#parameters);
    const { milliseconds, bytes } = await player.start(this.#case.shapes);
    turn.bytes = bytes;
    turn.first = milliseconds;
    if (milliseconds < times.warmupMilliseconds) await player.round(times.warmupMilliseconds);
  }

  async #play(turn: Turn, player: Player, round: number): Promise<void> {
    const { doing, times } = this.#surroundings;
    if (turn.first! > slowStep && round > slowRounds) return;
    doing(`round ${round} of ${times.rounds}, ${turn.subject.name}`);
    turn.rounds.push(await player.round(times.milliseconds));
  }

  #resultOf({ subject, status, rounds, bytes, counts }: Turn): SubjectResult {
    return {
      subject: subject.name,
      status,
      ...(status === 'ok' ? figures(rounds, this.#parameters, bytes) : {}),
      counts,
      rounds,
    };
  }
}

/** A machine that swaps, or ends other programs, gives no figures. */
function checkMemory(bytes: number): void {
  const [needed, free] = [bytes, freemem()].map((amount) => (amount / 1e9).toFixed(1));
  if (bytes > freemem())
    throw new Error(`left out: it needs ${needed} GB of memory, ${free} GB are free`);
}
