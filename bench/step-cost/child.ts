/** The program of one subject: `child.ts <subject>`, then commands as in protocol.ts. */
import { createInterface } from 'node:readline';
import { parseShapes } from './protocol.js';
import { runRound } from './round.js';
import type { Running } from './subject.js';
import { subjects } from './subjects.js';

const subject = subjects.find(({ name }) => name === process.argv[2])!;
let running: Running;
let last: number;

async function answer(line: string): Promise<object> {
  const [command, ...words] = line.split(' ');
  if (command === 'start') {
    if (!('start' in subject)) throw new Error(`${subject.name} is not a subject in JavaScript`);
    running = await subject.start(parseShapes(words.join(' ')));
    last = await running.step();
    return { milliseconds: last, bytes: running.bytes() };
  }
  if (command === 'count') return running.count!();
  const round = await runRound(running, Number(words[0]), last);
  last = round.milliseconds;
  await running.afterRound?.();
  return round;
}

for await (const line of createInterface({ input: process.stdin })) {
  try {
    console.log(JSON.stringify(await answer(line)));
  } catch (error) {
    console.log(JSON.stringify({ error: String(error) }));
    // After a failed allocation the wasm backend cannot be trusted to end in order.
    process.exit(1);
  }
}
