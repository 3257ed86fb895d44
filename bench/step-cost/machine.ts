/** Where figures were taken. */
import { execFile } from 'node:child_process';
import { cpus, totalmem } from 'node:os';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

/** The GPU, as its driver describes it. */
export type Adapter = {
  readonly vendor: string;
  readonly architecture: string;
  readonly device: string;
  readonly description: string;
  /** True where the driver computes on the CPU: times then say nothing about a GPU. */
  readonly software: boolean;
};

export type Machine = {
  readonly cpu: string;
  readonly cores: number;
  readonly memoryGB: number;
  readonly platform: string;
  readonly node: string;
  /** Absent where none was found. */
  readonly compiler?: string;
  /** Absent where none was used. */
  readonly adapter?: Adapter;
  readonly date: string;
};

export const thisMachine = (found: Pick<Machine, 'compiler' | 'adapter'> = {}): Machine => ({
  cpu: cpus()[0]?.model ?? 'unknown',
  cores: cpus().length,
  memoryGB: Math.round(totalmem() / 2 ** 30),
  platform: `${process.platform} ${process.arch}`,
  node: process.version,
  ...found,
  date: new Date().toISOString(),
});

const adapterProgram = fileURLToPath(new URL('adapter.ts', import.meta.url));

/** Throws, in one line, if WebGPU does not start here. */
export async function findAdapter(): Promise<Adapter> {
  // In a process of its own: a driver that crashes must not end the bench without a word.
  const output = await promisify(execFile)(process.execPath, [
    '--import',
    'tsx',
    adapterProgram,
  ]).catch((error: { stdout?: string; message: string }) => error);
  const line = output.stdout?.split('\n').find((text) => text.startsWith('{'));
  const { adapter, error = 'WebGPU does not start: its driver crashes' } = JSON.parse(
    line ?? '{}',
  ) as { adapter?: Adapter; error?: string };
  if (!adapter) throw new Error(`bench: ${error.split('\n')[0]}`);
  return adapter;
}
