/**
 * WebAssembly instructions in binary form, just those that kernels use, and small combinations of
 * them. Source: the WebAssembly core specification, chapter 5 (binary format). Knows nothing of
 * rules.
 */

/** Bytes, in lists of lists as they were put together. */
export type Code = number | readonly Code[];

export const unsigned = (value: number): number[] => {
  const bytes: number[] = [];
  do {
    bytes.push((value & 127) | (value > 127 ? 128 : 0));
    value >>>= 7;
  } while (value);
  return bytes;
};

const signed = (value: number): number[] => {
  const bytes: number[] = [];
  while (value < -64 || value > 63) {
    bytes.push((value & 127) | 128);
    value >>= 7;
  }
  return [...bytes, value & 127];
};

const float = (value: number): number[] => [...new Uint8Array(new Float32Array([value]).buffer)];
const simd = (opcode: number, ...operands: number[]): Code => [
  0xfd,
  ...unsigned(opcode),
  ...operands,
];
/** Alignment is a hint: 4 bytes. */
const memory = (offset: number): number[] => [2, ...unsigned(offset)];

/** The instructions, named as in the specification. */
export const wasm = {
  get: (local: number): Code => [0x20, ...unsigned(local)],
  set: (local: number): Code => [0x21, ...unsigned(local)],
  i32Const: (value: number): Code => [0x41, ...signed(value)],
  f32Const: (value: number): Code => [0x43, ...float(value)],
  i32Load: (offset: number): Code => [0x28, ...memory(offset)],
  i32LessUnsigned: [0x49],
  i32Add: [0x6a],
  i32Sub: [0x6b],
  i32Mul: [0x6c],
  i32DivUnsigned: [0x6e],
  i32RemUnsigned: [0x70],
  i32ShiftLeft: [0x74],
  f32Load: (offset: number): Code => [0x2a, ...memory(offset)],
  f32Store: (offset: number): Code => [0x38, ...memory(offset)],
  f64Load: (offset: number): Code => [0x2b, ...memory(offset)],
  f64Store: (offset: number): Code => [0x39, ...memory(offset)],
  f64Add: [0xa0],
  f32Demote: [0xb6],
  f64Promote: [0xbb],
  select: [0x1b],
  memoryFill: [0xfc, 0x0b, 0],
  load: (offset = 0): Code => simd(0, ...memory(offset)),
  loadSplat: (offset = 0): Code => simd(9, ...memory(offset)),
  loadLane: (offset = 0): Code => simd(92, ...memory(offset)),
  store: (offset = 0): Code => simd(11, ...memory(offset)),
  storeLane: (offset = 0): Code => simd(90, ...memory(offset), 0),
  splatConst: (value: number): Code =>
    simd(12, ...float(value), ...float(value), ...float(value), ...float(value)),
  firstLaneMask: simd(12, 255, 255, 255, 255, ...Array<number>(12).fill(0)),
  extractLane: (lane: number): Code => simd(0x1f, lane),
  and: simd(0x4e),
  andNot: simd(0x4f),
  bitselect: simd(0x52),
  equal: simd(0x41),
  less: simd(0x43),
  lessEqual: simd(0x45),
  abs: simd(0xe0),
  neg: simd(0xe1),
  sqrt: simd(0xe3),
  add: simd(0xe4),
  sub: simd(0xe5),
  mul: simd(0xe6),
  div: simd(0xe7),
};

export const assign = (target: number, value: Code): Code => [value, wasm.set(target)];
export const plus = (a: Code, b: Code): Code => [a, b, wasm.i32Add];
export const minus = (a: Code, b: Code): Code => [a, b, wasm.i32Sub];
export const times = (a: Code, b: Code): Code => [a, b, wasm.i32Mul];
export const quotient = (a: Code, b: Code): Code => [a, b, wasm.i32DivUnsigned];
export const remainder = (a: Code, b: Code): Code => [a, b, wasm.i32RemUnsigned];
export const shiftLeft = (a: Code, bits: number): Code => [
  a,
  wasm.i32Const(bits),
  wasm.i32ShiftLeft,
];
export const smaller = (a: Code, b: Code): Code => [a, b, a, b, wasm.i32LessUnsigned, wasm.select];

export const ifThen = (condition: Code, body: Code): Code => [condition, 0x04, 0x40, body, 0x0b];

/** Runs `body` while `condition` holds. */
export const whileLoop = (condition: Code, body: Code): Code => [
  0x03,
  0x40,
  condition,
  0x04,
  0x40,
  body,
  0x0c,
  1,
  0x0b,
  0x0b,
];

/** Runs `body` for the values of the local `counter` below `end`. */
export const forLoop = (counter: number, from: Code, end: Code, step: Code, body: Code): Code => [
  assign(counter, from),
  whileLoop(
    [wasm.get(counter), end, wasm.i32LessUnsigned],
    [body, assign(counter, plus(wasm.get(counter), step))],
  ),
];
