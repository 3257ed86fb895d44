/** Where figures were taken. */
import { cpus, totalmem } from 'node:os';

export type Machine = {
  readonly cpu: string;
  readonly cores: number;
  readonly memoryGB: number;
  readonly platform: string;
  readonly node: string;
  /** Absent where none was found. */
  readonly compiler?: string;
  readonly date: string;
};

export const thisMachine = (compiler?: string): Machine => ({
  cpu: cpus()[0]?.model ?? 'unknown',
  cores: cpus().length,
  memoryGB: Math.round(totalmem() / 2 ** 30),
  platform: `${process.platform} ${process.arch}`,
  node: process.version,
  compiler,
  date: new Date().toISOString(),
});
