import { InputError } from '../../error.ts';
import {
  cast,
  concat,
  constant,
  cos,
  expand,
  merge,
  multiply,
  remainder,
  sin,
  type Tensor,
  type Within,
} from '../../tensor/index.ts';
import { doublePositions } from '../places.ts';

/** Cosine and sine of position · frequency along an axis I, of angles in double precision. */
export function waves(
  positions: Within<string>,
  frequencies: readonly number[],
): { readonly cosine: Tensor<string | 'I'>; readonly sine: Tensor<string | 'I'> } {
  const table = constant(frequencies, { I: frequencies.length }, 'float64');
  const angle = multiply(doublePositions(positions) as Tensor<string>, table as unknown as Tensor<string>);
  const reduced = cast(remainder(angle, 2 * Math.PI), 'float32');
  return { cosine: cos(reduced), sine: sin(reduced) };
}

/**
 * Sinusoidal positions, 1706.03762, to be added to the embeddings: component 2i is sin(t · 10000^(−2i/M)), component 2i + 1 its cosine. Values
 * are of size one: embeddings of another size (0.02) drown in them unless they are scaled. Throws an InputError for an odd M.
 */
export function sinusoidal<A extends string>(positions: Within<A>, M: number): Within<A | 'M'> {
  if (M % 2 !== 0) throw new InputError(`sinusoidal positions: expected an even model width M, got ${M}`);
  const { cosine, sine } = waves(
    positions,
    Array.from({ length: M / 2 }, (_, i) => 10_000 ** ((-2 * i) / M)),
  );
  const pair = (x: Tensor<string>) => expand(x, { J: 1 }) as Tensor<string>;
  const pairs = concat([pair(sine), pair(cosine)], 'J');
  return merge(pairs, ['I', 'J'], 'M') as unknown as Within<A | 'M'>;
}
