/**
 * The WGSL printer: a plan as compute shaders.
 *
 * A plan becomes kernels, cut where a value of the whole tensor is needed by what follows: `sweep` kernels run over
 * elements (a workgroup takes a stretch of them) or over neurons (a workgroup takes a tile of neurons and does all their
 * sweeps in one dispatch, sums in workgroup memory); a `combine` kernel follows where tensor values are computed, one
 * workgroup a variable, which adds up the workgroups' partial sums first. No atomics: results repeat bit for bit.
 *
 * All memory but weights and gradients is one arena of float32. What belongs to one variable is found through its
 * record: sizes, then the offsets of its buffers in the arena, then its scalars.
 */
import type { Layout } from './layout.js';
import type { Buffer, Instruction, Plan, Stage } from './plan.js';

export const workgroupSize = 256;

/** Float32 additions in a row before a partial sum is set aside. */
const sumBlock = 64;

const sizes = ['size', 'before', 'neuronsOuter', 'between', 'neuronsInner', 'after', 'neurons', 'stretch', 'groups'] as const;

/** Where things stand in a variable's record, in words. */
export const wgslRecordOf = (plan: Plan) => ({
  offsets: sizes.length,
  scalars: sizes.length + plan.buffers.length,
  words: sizes.length + plan.buffers.length + plan.scalars.length,
});

/** How a sweep's workgroups divide a tensor. */
export type Tile = {
  /** Neurons of a workgroup; 0 where the plan has no neurons. */
  readonly neurons: number;
  /** True if neighbouring threads take neighbouring neurons, false if they take neighbouring elements of one neuron. */
  readonly across: boolean;
};

export type Kernel = {
  readonly kind: 'sweep' | 'combine';
  readonly stages: readonly Stage[];
  /** Sums of the tensor that the kernel leaves in parts (a sweep) or adds up (a combine). */
  readonly sums: readonly Buffer[];
};

const loadsOf = (stage: Stage): Buffer[] => stage.instructions.flatMap((value) => (value.op === 'load' ? [value.buffer] : []));

/** Cuts a plan into kernels. */
export function cutPlan(plan: Plan): Kernel[] {
  const kernels: Kernel[] = [];
  const waitsFor = (stage: Stage, stages: readonly Stage[]): boolean =>
    loadsOf(stage).some((buffer) => buffer.domain === 'tensor' && stages.some(({ sums, stores }) => [...sums, ...stores].some((written) => written.buffer === buffer)));
  const pending: Stage[] = [];
  let sweep: Stage[] = [];
  const close = () => {
    const sums = sweep.flatMap((stage) => stage.sums.map(({ buffer }) => buffer)).filter(({ domain }) => domain === 'tensor');
    if (sweep.length > 0) kernels.push({ kind: 'sweep', stages: sweep, sums });
    if (pending.length > 0 || sums.length > 0) kernels.push({ kind: 'combine', stages: pending.splice(0), sums });
    sweep = [];
  };
  for (const stage of plan.stages) {
    if (stage.domain === 'tensor') {
      pending.push(stage);
      continue;
    }
    if (waitsFor(stage, [...sweep, ...pending])) close();
    sweep.push(stage);
  }
  close();
  return kernels;
}

export const hasNeurons = (plan: Plan): boolean => plan.buffers.some(({ domain }) => domain === 'neuron');

export function tileOf(plan: Plan, layout: Layout): Tile {
  if (!hasNeurons(plan)) return { neurons: 0, across: false };
  if (layout.after === 1) return { neurons: layout.neuronsInner >= 32 ? 32 : 8, across: true };
  return { neurons: layout.fanIn >= workgroupSize ? 1 : 16, across: false };
}

/** Elements that a workgroup takes: few where they are independent, more where each group leaves a partial sum. */
export function stretchOf(plan: Plan, layout: Layout): number {
  const sums = plan.stages.some((stage) => stage.sums.length > 0);
  return sums ? Math.max(16 * workgroupSize, Math.ceil(layout.size / 1024 / workgroupSize) * workgroupSize) : 4 * workgroupSize;
}

/** Workgroups of a sweep over one variable. */
export const groupsOf = (plan: Plan, layout: Layout): number => {
  const { neurons } = tileOf(plan, layout);
  return neurons > 0 ? Math.ceil(layout.neurons / neurons) : Math.ceil(layout.size / stretchOf(plan, layout));
};

export const wgslSizes = (plan: Plan, layout: Layout): number[] =>
  sizes.map((name) => (name === 'stretch' ? stretchOf(plan, layout) : name === 'groups' ? groupsOf(plan, layout) : layout[name]));

/** Words of the arena that a buffer needs: a sum of the tensor has its value, then a partial sum for each workgroup. */
export function wordsOf(plan: Plan, buffer: Buffer, layout: Layout): number {
  if (buffer.domain === 'element') return layout.size;
  if (buffer.domain === 'neuron') return layout.neurons;
  return buffer.role === 'sum' ? 1 + groupsOf(plan, layout) : 1;
}

const infix: Partial<Record<Instruction['op'], string>> = { add: '+', sub: '-', mul: '*', div: '/', less: '<', lessEqual: '<=', equal: '==' };

function literal(value: number): string {
  const rounded = Math.fround(value);
  // WGSL has no literals for these, and forbids constant expressions that make them.
  if (!Number.isFinite(rounded)) return `bitcast<f32>(${Number.isNaN(rounded) ? 'nanBits' : rounded > 0 ? 'infinityBits' : 'minusInfinityBits'})`;
  return `f32(${Object.is(rounded, -0) ? '-0.0' : rounded})`;
}

/** The expression of an instruction whose operands are in variables named by `name`. */
function expressionOf(instruction: Instruction, name: (index: number) => string, load: (buffer: Buffer) => string): string {
  if (instruction.op === 'load') return load(instruction.buffer);
  if (instruction.op === 'constant') return literal(instruction.value);
  if (instruction.op === 'scalar') return `scalar${instruction.index}`;
  const args = instruction.args.map(name);
  if (instruction.op === 'select') return `select(${args[2]}, ${args[1]}, ${args[0]})`;
  if (instruction.op === 'neg') return `-${args[0]}`;
  const operator = infix[instruction.op];
  return operator ? `${args[0]} ${operator} ${args[1]}` : `${instruction.op}(${args[0]})`;
}

const header = `
@group(0) @binding(0) var<storage, read_write> arena: array<f32>;
@group(0) @binding(1) var<storage, read> records: array<u32>;
var<private> nanBits: u32 = 0x7fc00000u;
var<private> infinityBits: u32 = 0x7f800000u;
var<private> minusInfinityBits: u32 = 0xff800000u;
`;

/** Reads a record into variables; `base` is the expression of its first word. */
function readRecord(plan: Plan, base: string): string {
  const { offsets, scalars } = wgslRecordOf(plan);
  return [
    ...sizes.map((name, i) => `let ${name} = records[${base} + ${i}u];`),
    ...plan.buffers.map((_, i) => `let offset${i} = records[${base} + ${offsets + i}u];`),
    ...plan.scalars.map((_, i) => `let scalar${i} = bitcast<f32>(records[${base} + ${scalars + i}u]);`),
  ].join('\n  ');
}

/** Adds up `values[sum][thread]` over the lanes of each neuron or of the workgroup; all threads must come here. */
const treeSum = (sums: readonly string[], lanes: number, stride: number): string => `
  workgroupBarrier();
  ${sums.map((sum, i) => `pool${i}[thread] = ${sum};`).join(' ')}
  workgroupBarrier();
  for (var reach = ${lanes / 2}u; reach > 0u; reach = reach / 2u) {
    if (lane < reach) { ${sums.map((_, i) => `pool${i}[thread] = pool${i}[thread] + pool${i}[thread + reach * ${stride}u];`).join(' ')} }
    workgroupBarrier();
  }`;

const pools = (count: number): string => Array.from({ length: count }, (_, i) => `var<workgroup> pool${i}: array<f32, ${workgroupSize}>;`).join('\n');

/** Prints a sweep over `width` variables in one dispatch; plans with neurons take one. */
export function printSweep(plan: Plan, kernel: Kernel, tile: Tile, width: number): string {
  const offset = (buffer: Buffer): string => `offset${plan.buffers.indexOf(buffer)}`;
  const { words } = wgslRecordOf(plan);
  const sumsInKernel = kernel.stages.flatMap(({ sums }) => sums);
  const shared = Math.max(0, ...kernel.stages.map(({ sums }) => sums.length));
  const usesWeight = plan.buffers.some(({ role }) => role === 'variable');
  const usesGradient = plan.buffers.some(({ role }) => role === 'gradient');
  const writtenOutside = (buffer: Buffer): boolean => buffer.domain !== 'neuron' || buffer.role === 'slot' || buffer.role === 'reading' || readElsewhere(plan, kernel, buffer);

  const bodyOf = (variable: number): string => {
    /** Neuron values that this kernel has computed, by buffer. */
    const here = new Map<Buffer, string>();
    const place = (buffer: Buffer): string => {
      if (buffer.role === 'variable') return `w${variable}[i]`;
      if (buffer.role === 'gradient') return `g${variable}[i]`;
      const index = buffer.domain === 'element' ? ' + i' : buffer.domain === 'neuron' ? ' + neuron' : '';
      return `arena[${offset(buffer)}${index}]`;
    };
    const printStage = (stage: Stage, k: number): string => {
      const name = (i: number) => `v${k}_${i}`;
      const lets = stage.instructions.map((instruction, i) => `let ${name(i)} = ${expressionOf(instruction, name, (buffer) => here.get(buffer) ?? place(buffer))};`);
      if (stage.domain === 'neuron') {
        const stored = stage.stores.filter(({ buffer }) => writtenOutside(buffer)).map(({ buffer, value }) => `${place(buffer)} = ${name(value)};`);
        for (const { buffer, value } of stage.stores) here.set(buffer, name(value));
        const sums = stage.sums.map(({ value }, i) => `let sum${k}_${i} = select(0.0, ${name(value)}, alive && lane == 0u);`);
        // Slots change only when all threads of the tile have read them.
        return `${lets.join('\n  ')}
  storageBarrier(); workgroupBarrier();
  if (alive && lane == 0u) { ${stored.join(' ')} }
  ${sums.join(' ')}${partialSums(stage, stage.sums.map((_, i) => `sum${k}_${i}`))}`;
      }
      const accumulate = stage.sums.map(({ value }, i) => `part${k}_${i} = part${k}_${i} + ${name(value)};`).join(' ');
      const setAside = stage.sums.map((_, i) => `sum${k}_${i} = sum${k}_${i} + part${k}_${i}; part${k}_${i} = 0.0;`).join(' ');
      const loop = tile.neurons > 0 ? neuronLoop : elementLoop;
      return `${stage.sums.map((_, i) => `var sum${k}_${i} = 0.0; var part${k}_${i} = 0.0;`).join(' ')}
  ${loop(`${lets.join('\n      ')}
      ${stage.stores.map(({ buffer, value }) => `${place(buffer)} = ${name(value)};`).join(' ')}
      ${accumulate}${stage.sums.length > 0 ? ` if (step % ${sumBlock}u == ${sumBlock - 1}u) { ${setAside} }` : ''}`)}
  ${setAside}${neuronSums(stage, k)}${partialSums(stage, stage.sums.map((_, i) => `sum${k}_${i}`))}`;
    };
    const lanes = tile.neurons > 0 ? workgroupSize / tile.neurons : workgroupSize;
    const stride = tile.across ? tile.neurons : 1;
    const neuronSums = (stage: Stage, k: number): string => {
      const sums = stage.sums.flatMap(({ buffer }, i) => (buffer.domain === 'neuron' ? [{ buffer, i }] : []));
      if (sums.length === 0) return '';
      for (const { buffer, i } of sums) here.set(buffer, `total${k}_${i}`);
      return `${treeSum(sums.map(({ i }) => `sum${k}_${i}`), lanes, stride)}
  ${sums.map(({ i }, s) => `let total${k}_${i} = pool${s}[first];`).join(' ')}
  ${sums.filter(({ buffer }) => readElsewhere(plan, kernel, buffer)).map(({ buffer, i }) => `if (alive && lane == 0u) { ${place(buffer)} = total${k}_${i}; }`).join(' ')}`;
    };
    const partialSums = (stage: Stage, names: readonly string[]): string => {
      const sums = stage.sums.flatMap(({ buffer }, i) => (buffer.domain === 'tensor' ? [{ buffer, name: names[i] }] : []));
      if (sums.length === 0) return '';
      return `${treeSum(sums.map(({ name }) => name), workgroupSize, 1).replaceAll('lane < reach', 'thread < reach')}
  if (thread == 0u) { ${sums.map(({ buffer }, s) => `arena[${offset(buffer)} + 1u + group] = pool${s}[0];`).join(' ')} }`;
    };
    const elementLoop = (body: string): string => `{
    let end = min(size, (group + 1u) * stretch);
    var step = 0u;
    for (var i = group * stretch + thread; i < end; i = i + ${workgroupSize}u) {
      ${body}
      step = step + 1u;
    }
  }`;
    const neuronLoop = (body: string): string => `{
    let count = select(0u, before * between * after, alive);
    var step = 0u;
    for (var k = lane; k < count; k = k + ${lanes}u) {
      let a = k % after;
      let row = k / after;
      let i = ((((row / between) * neuronsOuter + neuron / neuronsInner) * between + row % between) * neuronsInner + neuron % neuronsInner) * after + a;
      ${body}
      step = step + 1u;
    }
  }`;
    const setting = tile.neurons > 0
      ? `let inTile = ${tile.across ? `thread % ${tile.neurons}u` : `thread / ${lanes}u`};
  let lane = ${tile.across ? `thread / ${tile.neurons}u` : `thread % ${lanes}u`};
  let first = ${tile.across ? 'inTile' : `inTile * ${lanes}u`};
  let alive = group * ${tile.neurons}u + inTile < neurons;
  let neuron = min(group * ${tile.neurons}u + inTile, neurons - 1u);`
      : 'let lane = thread;';
    return `fn sweep${variable}(group: u32, thread: u32) {
  ${readRecord(plan, `${variable * words}u`)}
  if (group >= groups) { return; }
  ${setting}
  ${kernel.stages.map(printStage).join('\n  ')}
}`;
  };

  const bindings = Array.from({ length: width }, (_, k) => [
    ...(usesWeight ? [`@group(0) @binding(${2 + k}) var<storage, read_write> w${k}: array<f32>;`] : []),
    ...(usesGradient ? [`@group(${1 + k}) @binding(0) var<storage, read> g${k}: array<f32>;`] : []),
  ]).flat();
  return `${header}
${bindings.join('\n')}
${sumsInKernel.length > 0 ? pools(shared) : ''}
${Array.from({ length: width }, (_, k) => bodyOf(k)).join('\n')}
@compute @workgroup_size(${workgroupSize})
fn main(@builtin(workgroup_id) id: vec3<u32>, @builtin(num_workgroups) count: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
  let group = id.y * count.x + id.x;
  ${Array.from({ length: width }, (_, k) => `if (id.z == ${k}u) { sweep${k}(group, thread); }`).join('\n  ')}
}
`;
}

/**
 * Prints the end of a step-wide stage, one workgroup in all: `combine` from the totals of the readings of `sums` over all
 * variables. Its record has the number of variables for a size, and is followed by their records of `sums`.
 */
export function printTotal(sums: Plan, combine: Plan): string {
  const own = wgslRecordOf(combine);
  const { offsets, words } = wgslRecordOf(sums);
  const totals = combine.buffers.filter(({ role }) => role === 'reading');
  const readingOf = ({ name }: Buffer): number => sums.buffers.findIndex((buffer) => buffer.role === 'reading' && buffer.name === name);
  const place = (buffer: Buffer): string => (buffer.role === 'reading' ? `total${totals.indexOf(buffer)}` : `arena[offset${combine.buffers.indexOf(buffer)}]`);
  return `${header}
${pools(1)}
@compute @workgroup_size(${workgroupSize})
fn main(@builtin(local_invocation_index) thread: u32) {
  let lane = thread;
  ${readRecord(combine, '0u')}
  ${totals.map((buffer, t) => `var sum${t} = 0.0;
  for (var i = thread; i < size; i = i + ${workgroupSize}u) { sum${t} = sum${t} + arena[records[${own.words + offsets + readingOf(buffer)}u + i * ${words}u]]; }
  ${treeSum([`sum${t}`], workgroupSize, 1)}
  let total${t} = pool0[0];`).join('\n  ')}
  if (thread == 0u) {
    ${combine.stages.map((stage, k) => printSingle(stage, k, place)).join('\n    ')}
  }
}
`;
}

/** True if a kernel other than this one reads the buffer. */
const readElsewhere = (plan: Plan, kernel: Kernel, buffer: Buffer): boolean =>
  plan.stages.some((stage) => !kernel.stages.includes(stage) && loadsOf(stage).includes(buffer));

/** A combine kernel and the number of variables that take it. */
type Combine = { readonly plan: Plan; readonly kernel: Kernel; readonly variables: number };

/**
 * Prints combine kernels as one: one workgroup a variable adds its partial sums and computes the stages of single values.
 * The variables' records follow each other, as the kernels do.
 */
export function printCombine(combines: readonly Combine[]): string {
  let [group, word] = [0, 0];
  const branches = combines.map(({ plan, kernel, variables }) => {
    const { words } = wgslRecordOf(plan);
    const offset = (buffer: Buffer): string => `offset${plan.buffers.indexOf(buffer)}`;
    const branch = `if (id.x >= ${group}u) {
  ${readRecord(plan, `${word}u + (id.x - ${group}u) * ${words}u`)}
  ${kernel.sums.map((buffer, s) => `var sum${s} = 0.0;
  for (var i = thread; i < groups; i = i + ${workgroupSize}u) { sum${s} = sum${s} + arena[${offset(buffer)} + 1u + i]; }
  ${treeSum([`sum${s}`], workgroupSize, 1)}
  if (thread == 0u) { arena[${offset(buffer)}] = pool0[0]; }`).join('\n  ')}
  if (thread == 0u) {
    ${kernel.stages.map((stage, k) => printSingle(stage, k, (buffer) => `arena[${offset(buffer)}]`)).join('\n    ')}
  }
  return;
  }`;
    group += variables;
    word += variables * words;
    return branch;
  });
  return `${header}
${pools(1)}
@compute @workgroup_size(${workgroupSize})
fn main(@builtin(workgroup_id) id: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
  let lane = thread;
  ${branches.reverse().join('\n  ')}
}
`;
}

const printSingle = (stage: Stage, k: number, place: (buffer: Buffer) => string): string => {
  const name = (i: number) => `v${k}_${i}`;
  return [
    ...stage.instructions.map((instruction, i) => `let ${name(i)} = ${expressionOf(instruction, name, place)};`),
    ...stage.stores.map(({ buffer, value }) => `${place(buffer)} = ${name(value)};`),
  ].join('\n    ');
};
