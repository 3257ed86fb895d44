/** A process of its own: goes on with every run in a file and writes where they end to another. */
import { readFileSync, writeFileSync } from 'node:fs';
import { train, type Saved } from './resume-run.js';

const [from, to, input, output] = process.argv.slice(2);
const runs = JSON.parse(readFileSync(input, 'utf8')) as Saved[];
const ends: Saved[] = [];
for (const saved of runs) ends.push(await train(saved.run, Number(from), Number(to), saved));
writeFileSync(output, JSON.stringify(ends));
