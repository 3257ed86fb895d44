/** Parts of WGSL that all passes have: bindings, parameters, the values of instructions. */
import type { Buffer, Instruction, Plan, Stage } from './plan.js';
import { scalarsAt, sizeNames, workgroupSize } from './wgsl-memory.js';

/** What all passes begin with; `count` sums are added up at once. */
export const header = (count: number): string => `
@group(0) @binding(0) var<storage, read_write> arena: array<f32>;
@group(0) @binding(1) var<storage, read> parameters: array<u32>;
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

/** The function that every thread runs, with `moreInputs` that only some passes need. */
export const entryPoint = (body: string, moreInputs = ''): string =>
  `@compute @workgroup_size(${workgroupSize})
fn main(@builtin(workgroup_id) id: vec3<u32>,${moreInputs} @builtin(local_invocation_index) thread: u32) {
${body}
}
`;

/** Reads a parameter block into variables; `base` is the expression of its first word. */
export const readParameters = (plan: Plan, base: string): string =>
  [
    ...[...sizeNames, ...plan.buffers.map((_, i) => `offset${i}`)].map(
      (name, i) => `let ${name} = parameters[${base} + ${i}];`,
    ),
    ...plan.scalars.map(
      (_, i) => `let scalar${i} = bitcast<f32>(parameters[${base} + ${scalarsAt(plan) + i}]);`,
    ),
  ].join('\n');

/** A value of a buffer in the arena, at an index that is added to its offset. */
export const inArena = (plan: Plan, buffer: Buffer, plusIndex = ''): string =>
  `arena[offset${plan.buffers.indexOf(buffer)}${plusIndex}]`;

/** Where a shader finds the value of a buffer. */
export type Place = (buffer: Buffer) => string;

/** Declares the values of those instructions that are `wanted`. */
export const declare = (
  { instructions }: Stage,
  place: Place,
  wanted: (instruction: Instruction) => boolean = () => true,
): string =>
  instructions
    .flatMap((instruction, i) =>
      wanted(instruction) ? [`let v${i} = ${valueOf(instruction, place)};`] : [],
    )
    .join('\n');

/** Writes the values that a stage stores. */
export const store = ({ stores }: Stage, place: Place): string =>
  stores.map(({ buffer, value }) => `${place(buffer)} = v${value};`).join('\n');

const infix: Partial<Record<Instruction['op'], string>> = {
  add: '+',
  sub: '-',
  mul: '*',
  div: '/',
  less: '<',
  lessEqual: '<=',
  equal: '==',
};

function valueOf(instruction: Instruction, place: Place): string {
  if (instruction.op === 'load') return place(instruction.buffer);
  if (instruction.op === 'constant') return literal(instruction.value);
  if (instruction.op === 'scalar') return `scalar${instruction.index}`;
  const { op, args } = instruction;
  const [a, b, c] = args.map((arg) => `v${arg}`);
  if (op === 'select') return `select(${c}, ${b}, ${a})`;
  if (op === 'neg') return `-${a}`;
  return op in infix ? `${a} ${infix[op]} ${b}` : `${op}(${a})`;
}

function literal(number: number): string {
  const value = Math.fround(number);
  if (Number.isFinite(value)) return `f32(${Object.is(value, -0) ? '-0.0' : value})`;
  // WGSL has no literals for these, and forbids constant expressions that make them.
  const infinity = value > 0 ? 'infinity' : 'minusInfinity';
  return `bitcast<f32>(${Number.isNaN(value) ? 'nan' : infinity})`;
}
