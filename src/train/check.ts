import { InputError } from '../error.ts';

/** Throws an InputError unless each named setting lies in its range [lowest, below). */
export function checkRanges<N extends string>(
  where: string,
  settings: Readonly<Record<N, number>>,
  ranges: Readonly<Partial<Record<NoInfer<N>, readonly [lowest: number, below: number]>>>,
): void {
  for (const [name, [lowest, below]] of Object.entries(ranges) as [N, readonly [number, number]][]) {
    const value = settings[name];
    if (!(value >= lowest && value < below))
      throw new InputError(`${where}: ${name} must be at least ${lowest} and below ${below}, got ${value}`);
  }
}

/** Throws an InputError unless the value is a whole number of at least `lowest`. */
export function checkWhole(where: string, name: string, value: number, lowest: number): void {
  if (!(Number.isSafeInteger(value) && value >= lowest))
    throw new InputError(`${where}: ${name} must be a whole number of at least ${lowest}, got ${value}`);
}
