/**
 * Sweep passes: each variable of a dispatch has a function of its own, in which a workgroup takes a
 * stretch of elements or a tile of neurons through the stages of the pass.
 */
import type { Buffer, Instruction, Plan, Stage } from './plan.js';
import {
  declare,
  entryPoint,
  header,
  inArena,
  readParameters,
  store,
  type Place,
} from './wgsl-code.js';
import { blockWords, workgroupSize, type Tile } from './wgsl-memory.js';
import type { Pass } from './wgsl-passes.js';

/** Float32 additions in a row before a partial sum is set aside. */
const sumBlock = 64;

/** Prints a sweep over `width` variables in one dispatch; plans with neurons take one. */
export function printSweep(plan: Plan, { stages }: Pass, tile: Tile, width: number): string {
  const variables = Array.from({ length: width }, (_, k) => k);
  const binding = (role: Buffer['role'], declaration: (k: number) => string): string =>
    plan.buffers.some((buffer) => buffer.role === role)
      ? variables.map(declaration).join('\n')
      : '';
  return `${header(Math.max(1, ...stages.map(({ sums }) => sums.length)))}
${binding('variable', (k) => `@group(0) @binding(${2 + k}) var<storage, read_write> w${k}: array<f32>;`)}
${binding('gradient', (k) => `@group(${1 + k}) @binding(0) var<storage, read> g${k}: array<f32>;`)}
${variables.map((k) => printFunction(plan, stages, tile, k)).join('\n')}
${entryPoint(
  `let group = id.y * grid.x + id.x;
${variables.map((k) => `if (id.z == ${k}) { sweep${k}(group, thread); }`).join('\n')}`,
  ' @builtin(num_workgroups) grid: vec3<u32>,',
)}`;
}

/** The part of a buffer's index that its domain adds to its offset. */
const plusIndex = { element: ' + i', neuron: ' + neuron', tensor: '' };

/** The function of the variable number `k`. */
function printFunction(plan: Plan, stages: readonly Stage[], tile: Tile, k: number): string {
  const place = (buffer: Buffer): string => {
    if (buffer.role === 'variable') return `w${k}[i]`;
    if (buffer.role === 'gradient') return `g${k}[i]`;
    return inArena(plan, buffer, plusIndex[buffer.domain]);
  };
  const partial = (buffer: Buffer): string => inArena(plan, buffer, ' + 1 + group');
  return `fn sweep${k}(group: u32, thread: u32) {
${readParameters(plan, `${k * blockWords(plan)}`)}
if (group >= groups) { return; }
${thread(tile)}
${stages.map((stage) => printStage(stage, tile, place, partial)).join('\n')}
}`;
}

/** Threads that share a neuron, or a stretch of elements. */
const lanesOf = ({ neurons }: Tile): number => workgroupSize / (neurons || 1);

/** Declares what a thread works on: elements `begin`, `begin + lanes` ... before `end`. */
function thread(tile: Tile): string {
  const { neurons, across } = tile;
  if (neurons === 0)
    return `let lane = thread;
let begin = group * stretch + thread;
let end = min(size, (group + 1) * stretch);`;
  const lanes = lanesOf(tile);
  const neuron = `group * ${neurons} + ${across ? `thread % ${neurons}` : `thread / ${lanes}`}`;
  return `let lane = ${across ? `thread / ${neurons}` : `thread % ${lanes}`};
let alive = ${neuron} < neurons;
let neuron = min(${neuron}, neurons - 1);
let begin = lane;
let end = select(0u, before * between * after, alive);`;
}

/** The element number `k` of a neuron. */
const elementOfNeuron =
  '((((k / after / between) * neuronsOuter + neuron / neuronsInner) * between + ' +
  'k / after % between) * neuronsInner + neuron % neuronsInner) * after + k % after';

function printStage(stage: Stage, tile: Tile, place: Place, partial: Place): string {
  const { neurons, across } = tile;
  const stride = across && neurons > 0 ? neurons : 1;
  const setAside = stage.sums.map((_, s) => `sums[${s}] += part[${s}]; part[${s}] = 0;`).join('\n');
  const work =
    stage.domain === 'element'
      ? elementLoop(stage, tile, place, setAside)
      : `if (alive && lane == 0) {
${declare(stage, place)}
${store(stage, place)}
${add(stage)}
}`;
  return `{
var sums: Sums;
var part: Sums;
${work}
${setAside}
${totals(stage, 'neuron', `lane, ${lanesOf(tile)}u, ${stride}u`, place)}
${totals(stage, 'tensor', `thread, ${workgroupSize}u, 1u`, partial)}
storageBarrier();
}`;
}

/** True of values that differ from element to element. */
const variesInLoop = (instruction: Instruction): boolean =>
  'args' in instruction || (instruction.op === 'load' && instruction.buffer.domain === 'element');

/** What is the same for all elements of a thread is read before the loop. */
const elementLoop = (stage: Stage, tile: Tile, place: Place, setAside: string): string =>
  `${declare(stage, place, (instruction) => !variesInLoop(instruction))}
var step = 0;
for (var k = begin; k < end; k += ${lanesOf(tile)}u) {
let i = ${tile.neurons > 0 ? elementOfNeuron : 'k'};
${declare(stage, place, variesInLoop)}
${store(stage, place)}
${add(stage)}
step++;
if (step % ${sumBlock} == 0) { ${setAside} }
}`;

const add = ({ sums }: Stage): string =>
  sums.map(({ value }, s) => `part[${s}] += v${value};`).join('\n');

/** Adds up what the threads have of the sums over `domain`; one thread writes the results. */
function totals(stage: Stage, domain: Buffer['domain'], threads: string, place: Place): string {
  const stores = stage.sums
    .map(({ buffer }, s) => (buffer.domain === domain ? `${place(buffer)} = all[${s}];` : ''))
    .join('');
  if (stores === '') return '';
  const writer = domain === 'neuron' ? 'alive && lane == 0' : 'thread == 0';
  return `{ let all = total(sums, thread, ${threads}); if (${writer}) { ${stores} } }`;
}
