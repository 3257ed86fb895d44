/**
 * WebAssembly instructions in binary form, just those that kernels use, named as in the
 * specification: import them as a namespace, `wasm`.
 *
 * Source: the WebAssembly core specification, chapter 5 (binary format).
 */

/** Bytes, in lists of lists as they were put together. */
export type Code = number | readonly Code[];

/** An unsigned integer in LEB128. */
export const unsigned = (value: number): number[] => {
  const bytes: number[] = [];
  do {
    bytes.push((value & 127) | (value > 127 ? 128 : 0));
    value >>>= 7;
  } while (value);
  return bytes;
};

/** A signed integer in LEB128. */
const signed = (value: number): number[] => {
  const bytes: number[] = [];
  while (value < -64 || value > 63) {
    bytes.push((value & 127) | 128);
    value >>= 7;
  }
  return [...bytes, value & 127];
};

const float = (value: number): number[] => [...new Uint8Array(new Float32Array([value]).buffer)];

/** The immediates of a load or store: the alignment, a hint, is 4 bytes. */
const at = (offset: number): number[] => [2, ...unsigned(offset)];

export const get = (local: number): Code => [0x20, ...unsigned(local)];
export const set = (local: number): Code => [0x21, ...unsigned(local)];

export const i32Const = (value: number): Code => [0x41, ...signed(value)];
export const i32Load = (offset: number): Code => [0x28, ...at(offset)];

// Loads and stores that take no offset have the offset 0.

export const f32Const = (value: number): Code => [0x43, ...float(value)];
export const f32Load: Code = [0x2a, 2, 0];
export const f32Store: Code = [0x38, 2, 0];
export const f32Demote = 0xb6;

export const f64Load: Code = [0x2b, 2, 0];
export const f64Store: Code = [0x39, 2, 0];
export const f64Add = 0xa0;
export const f64Promote = 0xbb;

// From here on vectors: four lanes of float32.

const simd = (opcode: number, ...immediates: number[]): Code => [
  0xfd,
  ...unsigned(opcode),
  ...immediates,
];

export const load = simd(0, 2, 0);
export const loadSplat = (offset: number): Code => simd(9, ...at(offset));
export const loadLane = simd(92, 2, 0);
export const store = simd(11, 2, 0);
export const storeLane = simd(90, 2, 0, 0);
export const splatConst = (value: number): Code => {
  const lane = float(value);
  return simd(12, ...lane, ...lane, ...lane, ...lane);
};
export const firstLaneMask = simd(12, 255, 255, 255, 255, ...Array<number>(12).fill(0));
export const extractLane = (lane: number): Code => simd(0x1f, lane);
export const and = simd(0x4e);
export const andNot = simd(0x4f);
export const bitselect = simd(0x52);

const opcodes = {
  equal: 0x41,
  less: 0x43,
  lessEqual: 0x45,
  abs: 0xe0,
  neg: 0xe1,
  sqrt: 0xe3,
  add: 0xe4,
  sub: 0xe5,
  mul: 0xe6,
  div: 0xe7,
};

/** An operation of a plan, by its name there. */
export const arithmetic = (op: keyof typeof opcodes): Code => simd(opcodes[op]);
export const add = arithmetic('add');
