/**
 * A subject at work in a process of its own, so that a crash is a result and not the end of the
 * bench.
 */
import { spawn, type ChildProcessByStdio } from 'node:child_process';
import { createInterface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import type { Shape } from './cases.js';
import {
  countLine,
  roundLine,
  startLine,
  type Counts,
  type Round,
  type Started,
} from './protocol.js';

const root = fileURLToPath(new URL('../..', import.meta.url));
const child = fileURLToPath(new URL('child.ts', import.meta.url));

/**
 * An aborted wasm program prints its whole source; its reason stands in the first or the last
 * lines.
 */
const keptCharacters = 2000;
const outOfMemory =
  /out of memory|cannot enlarge memory|array buffer allocation failed|has no room/i;

/** What to run; it follows protocol.ts. */
export type Program = { readonly file: string; readonly args: readonly string[] };

/** The program of a subject in JavaScript. */
export const scriptProgram = (subject: string): Program => ({
  file: process.execPath,
  args: ['--expose-gc', '--import', 'tsx', child, subject],
});

export class Player {
  readonly #process: ChildProcessByStdio<Writable, Readable, Readable>;
  readonly #ended: Promise<void>;
  #first = '';
  #last = '';
  #answer: ((line: string) => void) | undefined;

  constructor({ file, args }: Program) {
    this.#process = spawn(file, args, { cwd: root, stdio: ['pipe', 'pipe', 'pipe'] });
    // Writing to a program that has ended fails; #ended tells why.
    this.#process.stdin.on('error', () => {});
    this.#process.stderr.setEncoding('utf8').on('data', (text: string) => {
      this.#first = (this.#first + text).slice(0, keptCharacters);
      this.#last = (this.#last + text).slice(-keptCharacters);
    });
    createInterface({ input: this.#process.stdout }).on(
      'line',
      (line) => line.startsWith('{') && this.#answer?.(line),
    );
    this.#ended = new Promise((resolve) => {
      this.#process.on('error', (error) => {
        this.#first += error.message;
        resolve();
      });
      this.#process.on('close', () => resolve());
    });
  }

  /** Throws why, if it cannot. */
  start(shapes: readonly Shape[]): Promise<Started> {
    return this.#ask(startLine(shapes)) as Promise<Started>;
  }

  /** Throws why, if it cannot. */
  round(milliseconds: number): Promise<Round> {
    return this.#ask(roundLine(milliseconds)) as Promise<Round>;
  }

  /** Throws why, if it cannot. */
  count(): Promise<Counts> {
    return this.#ask(countLine) as Promise<Counts>;
  }

  async end(): Promise<void> {
    this.#process.kill();
    await this.#ended;
  }

  async #ask(line: string): Promise<object> {
    const answered = new Promise<string>((resolve) => (this.#answer = resolve));
    this.#process.stdin.write(`${line}\n`);
    const text = await Promise.race([answered, this.#ended]);
    if (text === undefined) throw new Error(this.#reason(`${this.#first}\n${this.#last}`));
    const answer = JSON.parse(text) as { error?: string };
    if (answer.error !== undefined) throw new Error(this.#reason(answer.error));
    return answer;
  }

  #reason(text: string): string {
    // Linux ends the largest program with this signal when memory runs out.
    if (outOfMemory.test(text) || this.#process.signalCode === 'SIGKILL') return 'out of memory';
    const { exitCode, signalCode } = this.#process;
    return `failed: ${text.trim().slice(0, 200) || `it ended with ${exitCode ?? signalCode}`}`;
  }
}
