import { add, cast, constant, multiply, remainder, type Tensor } from '../../tensor/index.ts';

/** A prime p for which x → x³ mod p is a permutation (p − 1 is no multiple of 3), small enough for p³ to be exact in double precision. */
const prime = 65_519;

/**
 * Fixed numbers that order keys without looking at them: (a_h · (i + 1))³ mod p for key i and its head's own a_h. A control of mechanisms that
 * choose keys by what they hold. No two of the first 65,518 keys share a number.
 *
 * @param keys index of each key
 * @param heads one multiplier is made for each of G
 * @param salt makes another order. Default 0.
 */
export function scrambledOrder(keys: Tensor<'S'>, heads: number, salt = 0): Tensor<'S' | 'G'> {
  const golden = (Math.sqrt(5) - 1) / 2;
  const multipliers = Array.from(
    { length: heads },
    (_, h) => 2 + Math.floor((prime - 2) * (((h + 1 + 64 * salt) * golden) % 1)),
  );
  const place = remainder(add(cast(keys, 'float64'), 1), prime);
  const turned = remainder(multiply(place, constant(multipliers, { G: heads }, 'float64')), prime);
  return cast(remainder(multiply(multiply(turned, turned), turned), prime), 'float32');
}
