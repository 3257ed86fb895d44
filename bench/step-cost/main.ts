import { mkdir, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { runProgram } from '../support/command-line.js';
import { runBench } from './bench.js';
import { help, parseOptions, type Settings } from './options.js';
import { caseText, machineText } from './print.js';

function showStatus(text: string): void {
  if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${text}`);
}

async function main({ out, ...settings }: Settings): Promise<void> {
  if (settings.targets.includes('gpu')) process.env.TFJS_WARMUP_VULKAN ??= 'system';
  await mkdir(dirname(out), { recursive: true });
  const { machine } = await runBench(settings, {
    doing: showStatus,
    finished: async (result, all) => {
      showStatus('');
      process.stdout.write(`${caseText(result)}\n\n`);
      // After each case: a long bench that is stopped keeps what is done.
      await writeFile(out, `${JSON.stringify(all, undefined, 1)}\n`);
    },
  });
  process.stdout.write(`${machineText(machine)}\nAll rounds: ${out}\n`);
}

// An exit removes what was compiled; a bare signal would not.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(1));

await runProgram({ name: 'bench', help, parseOptions, main });
