/**
 * The WGSL printer: a plan as compute shaders.
 *
 * A plan becomes passes, cut where a value of the whole tensor is needed by what follows: `sweep`
 * passes run over elements (a workgroup takes a stretch of them) or over neurons (a workgroup
 * takes a tile of neurons and does all their sweeps in one dispatch); a `combine` pass follows
 * where tensor values are computed, one workgroup a variable, which adds up the workgroups' partial
 * sums first. No atomics: results repeat bit for bit.
 *
 * All memory but weights and gradients is one arena of float32. What belongs to one variable is
 * found through its record: sizes, then the offsets of its buffers in the arena, then its scalars.
 */
import type { Layout } from './layout.js';
import {
  hasNeurons,
  loadsOf,
  type Buffer,
  type Instruction,
  type Plan,
  type Stage,
} from './plan.js';

const workgroupSize = 256;

/** Float32 additions in a row before a partial sum is set aside. */
const sumBlock = 64;

const sizes = [
  'size',
  'before',
  'neuronsOuter',
  'between',
  'neuronsInner',
  'after',
  'neurons',
  'stretch',
  'groups',
] as const;

export type Pass = {
  readonly kind: 'sweep' | 'combine';
  readonly stages: readonly Stage[];
  /** Sums of the tensor that the pass leaves in parts (a sweep) or adds up (a combine). */
  readonly totals: readonly Buffer[];
};

/** Cuts a plan into passes. */
export function cutPlan({ stages }: Plan): Pass[] {
  const passes: Pass[] = [];
  let sweep: Stage[] = [];
  let single: Stage[] = [];
  const close = (): void => {
    const totals = sweep
      .flatMap(({ sums }) => sums.map(({ buffer }) => buffer))
      .filter(({ domain }) => domain === 'tensor');
    if (sweep.length > 0) passes.push({ kind: 'sweep', stages: sweep, totals });
    if (single.length + totals.length > 0) passes.push({ kind: 'combine', stages: single, totals });
    [sweep, single] = [[], []];
  };
  for (const stage of stages) {
    if (stage.domain === 'tensor') single.push(stage);
    else {
      const written = [...sweep, ...single].flatMap(({ sums, stores }) =>
        [...sums, ...stores].map(({ buffer }) => buffer),
      );
      if (loadsOf(stage).some((buffer) => buffer.domain === 'tensor' && written.includes(buffer)))
        close();
      sweep.push(stage);
    }
  }
  close();
  return passes;
}

/** How a sweep's workgroups divide a tensor. */
export function tileOf(plan: Plan, { after, neuronsInner, fanIn }: Layout) {
  const across = after === 1;
  return {
    /** Neurons of a workgroup; 0 where the plan has no neurons. */
    neurons: !hasNeurons(plan)
      ? 0
      : across
        ? neuronsInner >= 32
          ? 32
          : 8
        : fanIn >= workgroupSize
          ? 1
          : 16,
    /**
     * True if neighbouring threads take neighbouring neurons, false if they take neighbouring
     * elements of one neuron.
     */
    across,
  };
}

export type Tile = ReturnType<typeof tileOf>;

/**
 * Elements that a workgroup takes: few where they are independent, more where each group leaves a
 * partial sum.
 */
const stretchOf = ({ stages }: Plan, { size }: Layout): number =>
  stages.some(({ sums }) => sums.length > 0)
    ? Math.max(16 * workgroupSize, Math.ceil(size / 1024 / workgroupSize) * workgroupSize)
    : 4 * workgroupSize;

/** Workgroups of a sweep over one variable. */
export const groupsOf = (plan: Plan, layout: Layout): number => {
  const { neurons } = tileOf(plan, layout);
  return Math.ceil(neurons > 0 ? layout.neurons / neurons : layout.size / stretchOf(plan, layout));
};

/** The sizes at the head of a record; `groups` leave partial sums. */
export const wgslSizes = (plan: Plan, layout: Layout, groups = groupsOf(plan, layout)): number[] =>
  sizes.map((name) => ({ ...layout, stretch: stretchOf(plan, layout), groups })[name]);

/** Where the scalars stand in a record, in words. */
export const scalarsAt = ({ buffers }: Plan): number => sizes.length + buffers.length;

/**
 * Words of the arena that a buffer needs: a sum of the tensor has its value, then a partial sum for
 * each workgroup.
 */
export const wordsOf = (plan: Plan, { domain, role }: Buffer, layout: Layout): number =>
  domain === 'element'
    ? layout.size
    : domain === 'neuron'
      ? layout.neurons
      : role === 'sum'
        ? 1 + groupsOf(plan, layout)
        : 1;

const infix: Partial<Record<Instruction['op'], string>> = {
  add: '+',
  sub: '-',
  mul: '*',
  div: '/',
  less: '<',
  lessEqual: '<=',
  equal: '==',
};

function literal(number: number): string {
  const value = Math.fround(number);
  // WGSL has no literals for these, and forbids constant expressions that make them.
  if (!Number.isFinite(value))
    return `bitcast<f32>(${Number.isNaN(value) ? 'nan' : value > 0 ? 'infinity' : 'minusInfinity'})`;
  return `f32(${Object.is(value, -0) ? '-0.0' : value})`;
}

/** Declares the value of an instruction. */
function declare(instruction: Instruction, i: number, place: (buffer: Buffer) => string): string {
  const valueOf = (): string => {
    if (instruction.op === 'load') return place(instruction.buffer);
    if (instruction.op === 'constant') return literal(instruction.value);
    if (instruction.op === 'scalar') return `scalar${instruction.index}`;
    const [a, b, c] = instruction.args.map((arg) => `v${arg}`);
    if (instruction.op === 'select') return `select(${c}, ${b}, ${a})`;
    if (instruction.op === 'neg') return `-${a}`;
    return instruction.op in infix
      ? `${a} ${infix[instruction.op]} ${b}`
      : `${instruction.op}(${a})`;
  };
  return `let v${i} = ${valueOf()};`;
}

/** What all passes begin with; `count` sums are added up at once. */
const header = (count: number): string => `
@group(0) @binding(0) var<storage, read_write> arena: array<f32>;
@group(0) @binding(1) var<storage, read> records: array<u32>;
var<private> nan: u32 = 0x7fc00000u;
var<private> infinity: u32 = 0x7f800000u;
var<private> minusInfinity: u32 = 0xff800000u;
alias Sums = array<f32, ${count}>;
var<workgroup> pool: array<Sums, ${workgroupSize}>;
fn total(sums: Sums, thread: u32, lane: u32, lanes: u32, stride: u32) -> Sums {
  workgroupBarrier();
  pool[thread] = sums;
  for (var reach = lanes / 2u; reach > 0u; reach /= 2u) {
    workgroupBarrier();
    if (lane < reach) {
      for (var s = 0u; s < ${count}u; s++) { pool[thread][s] += pool[thread + reach * stride][s]; }
    }
  }
  workgroupBarrier();
  return pool[thread - lane * stride];
}
`;

/** Reads a record into variables; `base` is the expression of its first word. */
const readRecord = (plan: Plan, base: string): string =>
  [
    ...[...sizes, ...plan.buffers.map((_, i) => `offset${i}`)].map(
      (name, i) => `let ${name} = records[${base} + ${i}];`,
    ),
    ...plan.scalars.map(
      (_, i) => `let scalar${i} = bitcast<f32>(records[${base} + ${scalarsAt(plan) + i}]);`,
    ),
  ].join('\n');

/** Words of a record. */
const recordWords = (plan: Plan): number => scalarsAt(plan) + plan.scalars.length;

const count = (stages: readonly Stage[]): number =>
  Math.max(1, ...stages.map(({ sums }) => sums.length));

/** Prints a sweep over `width` variables in one dispatch; plans with neurons take one. */
export function printSweep(
  plan: Plan,
  { stages }: Pass,
  { neurons, across }: Tile,
  width: number,
): string {
  const lanes = workgroupSize / (neurons || 1);
  const stride = across && neurons > 0 ? neurons : 1;
  const inTile = across ? `thread % ${neurons}` : `thread / ${lanes}`;
  const setting =
    neurons > 0
      ? `let lane = ${across ? `thread / ${neurons}` : `thread % ${lanes}`};
let alive = group * ${neurons} + ${inTile} < neurons;
let neuron = min(group * ${neurons} + ${inTile}, neurons - 1);
let begin = lane;
let end = select(0u, before * between * after, alive);`
      : `let lane = thread;
let begin = group * stretch + thread;
let end = min(size, (group + 1) * stretch);`;
  const index =
    neurons > 0
      ? '((((k / after / between) * neuronsOuter + neuron / neuronsInner) * between + k / after % between) * neuronsInner + neuron % neuronsInner) * after + k % after'
      : 'k';

  const sweep = (variable: number): string => {
    const place = (buffer: Buffer): string => {
      if (buffer.role === 'variable') return `w${variable}[i]`;
      if (buffer.role === 'gradient') return `g${variable}[i]`;
      return `arena[offset${plan.buffers.indexOf(buffer)}${buffer.domain === 'element' ? ' + i' : buffer.domain === 'neuron' ? ' + neuron' : ''}]`;
    };
    const printStage = ({ domain, instructions, stores, sums }: Stage): string => {
      // What is the same for all elements of a thread is read before its loop.
      const inLoop = instructions.map(
        (instruction) =>
          domain === 'element' &&
          ('args' in instruction ||
            (instruction.op === 'load' && instruction.buffer.domain === 'element')),
      );
      const declared = (inside: boolean): string =>
        instructions
          .flatMap((instruction, i) =>
            inLoop[i] === inside ? [declare(instruction, i, place)] : [],
          )
          .join('\n');
      const stored = stores.map(({ buffer, value }) => `${place(buffer)} = v${value};`).join('\n');
      const added = sums.map(({ value }, s) => `part[${s}] += v${value};`).join('\n');
      const setAside = sums.map((_, s) => `sums[${s}] += part[${s}]; part[${s}] = 0;`).join('\n');
      const work =
        domain === 'element'
          ? `${declared(false)}
var step = 0;
for (var k = begin; k < end; k += ${lanes}u) {
let i = ${index};
${declared(true)}
${stored}
${added}
step++;
if (step % ${sumBlock} == 0) { ${setAside} }
}`
          : `if (alive && lane == 0) {\n${declared(false)}\n${stored}\n${added}\n}`;
      const summed = (
        of: Buffer['domain'],
        sum: string,
        target: (buffer: Buffer) => string,
      ): string => {
        const stores = sums
          .map(({ buffer }, s) => (buffer.domain === of ? `${target(buffer)} = all[${s}];` : ''))
          .join('');
        return (
          stores &&
          `{ let all = total(sums, thread, ${sum}); if (${of === 'neuron' ? 'alive && lane == 0' : 'thread == 0'}) { ${stores} } }`
        );
      };
      return `{
var sums: Sums;
var part: Sums;
${work}
${setAside}
${summed('neuron', `lane, ${lanes}u, ${stride}u`, place)}
${summed('tensor', `thread, ${workgroupSize}u, 1u`, (buffer) => `arena[offset${plan.buffers.indexOf(buffer)} + 1 + group]`)}
storageBarrier();
}`;
    };
    return `fn sweep${variable}(group: u32, thread: u32) {
${readRecord(plan, `${variable * recordWords(plan)}`)}
if (group >= groups) { return; }
${setting}
${stages.map(printStage).join('\n')}
}`;
  };

  const variables = Array.from({ length: width }, (_, k) => k);
  const binding = (role: Buffer['role'], declaration: (k: number) => string): string =>
    plan.buffers.some((buffer) => buffer.role === role)
      ? variables.map(declaration).join('\n')
      : '';
  return `${header(count(stages))}
${binding('variable', (k) => `@group(0) @binding(${2 + k}) var<storage, read_write> w${k}: array<f32>;`)}
${binding('gradient', (k) => `@group(${1 + k}) @binding(0) var<storage, read> g${k}: array<f32>;`)}
${variables.map(sweep).join('\n')}
@compute @workgroup_size(${workgroupSize})
fn main(@builtin(workgroup_id) id: vec3<u32>, @builtin(num_workgroups) grid: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
let group = id.y * grid.x + id.x;
${variables.map((k) => `if (id.z == ${k}) { sweep${k}(group, thread); }`).join('\n')}
}
`;
}

/** A combine pass and the number of variables that take it. */
export type Combine = { readonly plan: Plan; readonly pass: Pass; readonly variables: number };

/**
 * Prints combine passes as one: one workgroup a variable adds its partial sums and computes the
 * stages of single values. The variables' records follow each other, as the passes do.
 */
export function printCombine(combines: readonly Combine[]): string {
  let [first, word] = [0, 0];
  const branches = combines.map(({ plan, pass: { stages, totals }, variables }) => {
    const place = (buffer: Buffer): string => `arena[offset${plan.buffers.indexOf(buffer)}`;
    const printStage = ({ instructions, stores }: Stage): string => `{
${instructions.map((instruction, i) => declare(instruction, i, (buffer) => `${place(buffer)}]`)).join('\n')}
${stores.map(({ buffer, value }) => `${place(buffer)}] = v${value};`).join('\n')}
}`;
    const branch = `if (id.x >= ${first} && id.x < ${first + variables}) {
${readRecord(plan, `${word} + (id.x - ${first}) * ${recordWords(plan)}`)}
var sums: Sums;
for (var k = thread; k < groups; k += ${workgroupSize}u) { ${totals.map((buffer, s) => `sums[${s}] += ${place(buffer)} + 1 + k];`).join(' ')} }
let all = total(sums, thread, thread, ${workgroupSize}u, 1u);
if (thread == 0) {
${totals.map((buffer, s) => `${place(buffer)}] = all[${s}];`).join('\n')}
${stages.map(printStage).join('\n')}
}
}`;
    first += variables;
    word += variables * recordWords(plan);
    return branch;
  });
  return `${header(Math.max(1, ...combines.map(({ pass }) => pass.totals.length)))}
@compute @workgroup_size(${workgroupSize})
fn main(@builtin(workgroup_id) id: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
${branches.join('\n')}
}
`;
}
