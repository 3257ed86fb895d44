/** Small combinations of WebAssembly instructions: integers, branches, loops. */
import * as wasm from './wasm-instructions.js';
import type { Code } from './wasm-instructions.js';

export const zero = wasm.i32Const(0);
export const one = wasm.i32Const(1);

/** An instruction on two integers. */
const binary =
  (opcode: number) =>
  (a: Code, b: Code): Code => [a, b, opcode];

export const plus = binary(0x6a);
export const minus = binary(0x6b);
export const times = binary(0x6c);
/** The quotient of unsigned integers, rounded down, and what remains. */
export const quotient = binary(0x6e);
export const remainder = binary(0x70);
export const isLess = binary(0x49);
const shift = binary(0x74);
export const shiftLeft = (a: Code, bits: number): Code => shift(a, wasm.i32Const(bits));
/** The smaller of two integers, by `select`. */
export const smaller = (a: Code, b: Code): Code => [a, b, isLess(a, b), 0x1b];

export const assign = (local: number, value: Code): Code => [value, wasm.set(local)];
export const increase = (local: number, by: Code): Code => assign(local, plus(wasm.get(local), by));

/** Sets bytes to 0, by `memory.fill`. */
export const clear = (address: Code, bytes: Code): Code => [address, zero, bytes, 0xfc, 0x0b, 0];

export const ifThen = (condition: Code, body: Code): Code => [condition, 0x04, 0x40, body, 0x0b];

/** Runs `body` while `condition` holds. */
export const whileLoop = (condition: Code, body: Code): Code => [
  [0x03, 0x40],
  ifThen(condition, [body, 0x0c, 1]),
  0x0b,
];

/** Runs `body` for the values of the local `counter` below `end`. */
export const forLoop = (counter: number, from: Code, end: Code, step: Code, body: Code): Code => [
  assign(counter, from),
  whileLoop(isLess(wasm.get(counter), end), [body, increase(counter, step)]),
];
