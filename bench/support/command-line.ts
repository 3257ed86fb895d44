/** Programs for the command line: their options are tables, their own errors one line. */
import { parseArgs } from 'node:util';
import { check } from '../../src/check.js';

/** Makes a value of an option's text, or refuses it: "study: --steps must ..., got '0'". */
export type Reader<T> = (text: string, refuse: Refuse) => T;
type Refuse = (allowed: string, text: string) => never;

type TextOption = {
  readonly read: Reader<unknown>;
  /** Text that is read where none is given; without it the option is undefined then. */
  readonly usual?: string;
  /** What the help writes behind the name; by default `usual`. */
  readonly argument?: string;
  readonly help: string;
};
type Flag = { readonly flag: true; readonly help: string };

/** The options of a program, by name; every program has `--help` beside them. */
export type OptionTable = Readonly<Record<string, TextOption | Flag>>;

type ValueOf<O> = O extends { readonly read: Reader<infer T> }
  ? O extends { readonly usual: string }
    ? T
    : T | undefined
  : boolean;
export type OptionValues<Table extends OptionTable> = {
  [Name in keyof Table]: ValueOf<Table[Name]>;
};

/** The values of all options, or undefined where only help is asked for. */
export function readOptions<Table extends OptionTable>(
  program: string,
  table: Table,
  args: string[],
): OptionValues<Table> | undefined {
  const { help, ...given } = parse(program, table, args);
  if (help) return undefined;
  const values = Object.entries(table).map(([name, option]) => [
    name,
    'flag' in option ? given[name] === true : readOne(program, name, option, given[name]),
  ]);
  return Object.fromEntries(values) as OptionValues<Table>;
}

function readOne(
  program: string,
  name: string,
  { read, usual }: TextOption,
  given: string | boolean | undefined,
): unknown {
  const text = (given as string | undefined) ?? usual;
  if (text === undefined) return undefined;
  const refuse: Refuse = (allowed, value) => {
    check(false, program, `--${name}`, allowed, value);
  };
  return read(text, refuse);
}

function parse(
  program: string,
  table: OptionTable,
  args: string[],
): Record<string, string | boolean | undefined> {
  const options = Object.entries(table).map(
    ([name, option]) => [name, { type: 'flag' in option ? 'boolean' : 'string' }] as const,
  );
  try {
    return parseArgs({
      args,
      options: { ...Object.fromEntries(options), help: { type: 'boolean', short: 'h' } },
    }).values as Record<string, string | boolean | undefined>;
  } catch (error) {
    const names = [...Object.keys(table), 'help'].map((name) => `--${name}`);
    const { message } = error as Error;
    throw new Error(`${program}: ${message}. Allowed are ${names.join(', ')}`, { cause: error });
  }
}

/** A number that is written out; an empty text is none, though Number('') is 0. */
const numberIn = (text: string): number => (text.trim() === '' ? NaN : Number(text));

/** Any text. */
export const anyText: Reader<string> = (text) => text;

export const positiveNumber: Reader<number> = (text, refuse) => {
  const value = numberIn(text);
  return Number.isFinite(value) && value > 0 ? value : refuse('be a number above 0', text);
};

/** Says by itself what is allowed, unless `allowed` says it better. */
export const wholeNumber =
  (
    least: number,
    most = Infinity,
    allowed = `be a whole number ${most === Infinity ? `of at least ${least}` : `from ${least} to ${most}`}`,
  ): Reader<number> =>
  (text, refuse) => {
    const value = numberIn(text);
    const accepted = Number.isSafeInteger(value) && value >= least && value <= most;
    return accepted ? value : refuse(allowed, text);
  };

const nameAmong =
  <T extends string>(names: readonly T[], quantity: 'one' | 'some'): Reader<T> =>
  (text, refuse) =>
    names.find((name) => name === text) ?? refuse(`be ${quantity} of ${names.join(', ')}`, text);

export const oneOf = <T extends string>(names: readonly T[]): Reader<T> => nameAmong(names, 'one');

export const someOf = <T extends string>(names: readonly T[]): Reader<T[]> =>
  listOf(nameAmong(names, 'some'));

/** Items between commas, each once. */
export const listOf =
  <T>(item: Reader<T>): Reader<T[]> =>
  (text, refuse) => {
    const items = text.split(',').map((one) => one.trim());
    if (new Set(items).size < items.length) refuse('name each item once', text);
    return items.map((one) => item(one, refuse));
  };

const helpWidth = 120;
const helpMargin = 24;

/** The lines of a help text about options, `--help` included. */
export function optionsHelp(table: OptionTable): string {
  const all: OptionTable = { ...table, help: { flag: true, help: 'this text' } };
  return Object.entries(all)
    .map(([name, option]) => optionHelp(`  ${nameWithArgument(name, option)}`, option.help))
    .join('\n');
}

function nameWithArgument(name: string, option: TextOption | Flag): string {
  const argument = 'flag' in option ? undefined : (option.argument ?? option.usual);
  return argument === undefined ? `--${name}` : `--${name} ${argument}`;
}

function optionHelp(name: string, help: string): string {
  const [first, ...rest] = wrap(help, helpWidth - helpMargin);
  const indented = rest.map((line) => ' '.repeat(helpMargin) + line);
  return name.length < helpMargin - 1
    ? [name.padEnd(helpMargin) + first, ...indented].join('\n')
    : [name, ' '.repeat(helpMargin) + first, ...indented].join('\n');
}

/** Breaks a text at spaces. */
function wrap(text: string, width: number): string[] {
  const lines = [''];
  for (const word of text.split(' ')) {
    const last = lines[lines.length - 1];
    if (last === '') lines[lines.length - 1] = word;
    else if (last.length + 1 + word.length <= width) lines[lines.length - 1] = `${last} ${word}`;
    else lines.push(word);
  }
  return lines;
}

type Program<Settings> = {
  /** What its own errors begin with. */
  readonly name: string;
  readonly help: string;
  /** Settings from the arguments, or undefined where only help is asked for. */
  readonly parseOptions: (args: string[]) => Settings | undefined;
  readonly main: (settings: Settings) => Promise<void>;
};

/** Runs a program from the command line; its own errors are one line, without a stack. */
export async function runProgram<Settings>({
  name,
  help,
  parseOptions,
  main,
}: Program<Settings>): Promise<void> {
  try {
    const settings = parseOptions(process.argv.slice(2));
    if (settings) await main(settings);
    else process.stdout.write(help);
  } catch (error) {
    // The wasm backend's own handler of uncaught errors would print its whole source first.
    const isOwn = error instanceof Error && error.message.startsWith(`${name}: `);
    console.error(isOwn ? error.message : error);
    process.exitCode = 1;
  }
}
