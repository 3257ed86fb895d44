/**
 * What is stepped: one tensor of a given size, the tensors of a small GPT-2, or many small tensors.
 */

export type Shape = readonly number[];
export type Case = { readonly name: string; readonly shapes: readonly Shape[] };

export const sizeNames = ['1e4', '1e5', '1e6', '1e7', '5e7', 'gpt', 'many'];

/** A case by its name on the command line, or undefined where it is not one. */
export function caseNamed(name: string): Case | undefined {
  if (name === 'gpt') return { name, shapes: gptShapes };
  if (name === 'many') return { name, shapes: manyShapes };
  // Number('') is 0.
  const size = name.trim() === '' ? NaN : Number(name);
  return Number.isSafeInteger(size) && size > 0
    ? { name, shapes: [nearlySquare(size)] }
    : undefined;
}

export const parametersOf = ({ shapes }: Case): number =>
  shapes.reduce((sum, shape) => sum + shape.reduce((size, length) => size * length, 1), 0);

/** A matrix, as rules with per-neuron sums want one. */
function nearlySquare(size: number): Shape {
  let rows = Math.floor(Math.sqrt(size));
  while (size % rows !== 0) rows--;
  return [rows, size / rows];
}

/**
 * 150 small matrices of 7 to 2048 elements, where the step's overhead is all there is. Tall: a
 * prime number makes one neuron.
 */
const manyShapes = Array.from({ length: 150 }, (_, i) =>
  [...nearlySquare(7 + Math.round((i * (2048 - 7)) / 149))].reverse(),
);

/**
 * GPT-2 small (Radford et al., 2019) at a width that gives 10 million parameters: most tensors are
 * tiny, one has 7 million.
 */
const gptShapes = gpt2({ layers: 12, width: 140, context: 1024, vocabulary: 50257 });

function gpt2({
  layers,
  width: d,
  context,
  vocabulary,
}: {
  layers: number;
  width: number;
  context: number;
  vocabulary: number;
}): Shape[] {
  const norm: Shape[] = [[d], [d]];
  const dense = (from: number, to: number): Shape[] => [[from, to], [to]];
  const layer = [
    ...norm,
    ...dense(d, 3 * d),
    ...dense(d, d),
    ...norm,
    ...dense(d, 4 * d),
    ...dense(4 * d, d),
  ];
  return [
    [vocabulary, d],
    [context, d],
    ...Array.from({ length: layers }, () => layer).flat(),
    ...norm,
  ];
}
