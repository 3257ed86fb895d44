/**
 * A WebAssembly module of one function over imported memory, in binary form. Source: the
 * WebAssembly core specification, chapter 5.
 */
import * as wasm from './wasm-instructions.js';
import type { Code } from './wasm-instructions.js';

export const valueTypes = { i32: 0x7f, v128: 0x7b } as const;
export type ValueType = keyof typeof valueTypes;

const section = (id: number, ...content: number[]): number[] => [
  id,
  ...wasm.unsigned(content.length),
  ...content,
];
const text = (value: string): number[] => [
  value.length,
  ...[...value].map((letter) => letter.charCodeAt(0)),
];

const flatten = (code: Code): number[] =>
  typeof code === 'number' ? [code] : code.flatMap(flatten);

/** The pages that a shared memory may have: its import must name a maximum. */
const maximumPages = 65536;

/**
 * A module whose one export `step(record: i32)` runs `body` over the memory imported as
 * `env.memory`.
 */
export function encodeModule(
  locals: readonly ValueType[],
  body: Code,
  shared: boolean,
): Uint8Array<ArrayBuffer> {
  const code = [
    ...wasm.unsigned(locals.length),
    ...locals.flatMap((type) => [1, valueTypes[type]]),
    ...flatten(body),
    0x0b,
  ];
  return new Uint8Array([
    0,
    0x61,
    0x73,
    0x6d,
    1,
    0,
    0,
    0,
    ...section(1, 1, 0x60, 1, valueTypes.i32, 0),
    ...section(
      2,
      1,
      ...text('env'),
      ...text('memory'),
      2,
      ...(shared ? [3, 0, ...wasm.unsigned(maximumPages)] : [0, 0]),
    ),
    ...section(3, 1, 0),
    ...section(7, 1, ...text('step'), 0, 0),
    ...section(10, 1, ...wasm.unsigned(code.length), ...code),
  ]);
}

/** A module that compiles only where SIMD is known. */
export const simdModule = /* @__PURE__ */ encodeModule(
  ['v128'],
  [wasm.splatConst(0), wasm.set(1)],
  false,
);
