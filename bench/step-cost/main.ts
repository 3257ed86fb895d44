import { mkdir, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { runBench } from './bench.js';
import { help, parseOptions } from './options.js';
import { caseText, machineText } from './print.js';

async function main(): Promise<void> {
  const settings = parseOptions(process.argv.slice(2));
  if (!settings) {
    process.stdout.write(help);
    return;
  }
  const { out, ...bench } = settings;
  if (bench.targets.includes('gpu')) process.env.TFJS_WARMUP_VULKAN ??= 'system';
  const status = (text: string): void => {
    if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${text}`);
  };
  await mkdir(dirname(out), { recursive: true });
  const { machine } = await runBench(bench, {
    doing: status,
    finished: async (result, all) => {
      status('');
      process.stdout.write(`${caseText(result)}\n\n`);
      // After each case: whoever stops a long bench keeps what is done.
      await writeFile(out, `${JSON.stringify(all, undefined, 1)}\n`);
    },
  });
  process.stdout.write(`${machineText(machine)}\nAll rounds: ${out}\n`);
}

// An exit removes what was compiled; a bare signal would not.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(1));

try {
  await main();
} catch (error) {
  console.error(
    error instanceof Error && error.message.startsWith('bench: ') ? error.message : error,
  );
  process.exitCode = 1;
}
