/** Small combinations of WebAssembly instructions: integers, branches, loops. */
import * as wasm from './wasm-instructions.js';
import type { Code } from './wasm-instructions.js';

export const zero = wasm.i32Const(0);
export const one = wasm.i32Const(1);

/** An operation on two integers. */
const binary =
  (instruction: number) =>
  (a: Code, b: Code): Code => [a, b, instruction];

export const plus = binary(wasm.i32Add);
export const minus = binary(wasm.i32Sub);
export const times = binary(wasm.i32Mul);
export const quotient = binary(wasm.i32DivUnsigned);
export const remainder = binary(wasm.i32RemUnsigned);
export const isLess = binary(wasm.i32LessUnsigned);
const shift = binary(wasm.i32ShiftLeft);
export const shiftLeft = (a: Code, bits: number): Code => shift(a, wasm.i32Const(bits));
export const smaller = (a: Code, b: Code): Code => [a, b, isLess(a, b), wasm.select];

export const assign = (local: number, value: Code): Code => [value, wasm.set(local)];
export const increase = (local: number, by: Code): Code => assign(local, plus(wasm.get(local), by));

/** Sets bytes to 0. */
export const clear = (address: Code, bytes: Code): Code => [address, zero, bytes, wasm.memoryFill];

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
