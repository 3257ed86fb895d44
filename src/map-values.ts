/** An object of the same names, each with what `map` makes of its value. */
export const mapValues = <T, U>(
  object: Readonly<Record<string, T>>,
  map: (value: T, name: string) => U,
): Record<string, U> =>
  Object.fromEntries(Object.entries(object).map(([name, value]) => [name, map(value, name)]));
