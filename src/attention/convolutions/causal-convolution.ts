import { add, concat, dot, multiply, pad, pick, rename, sizes, slice, type Tensor } from '../../tensor/index.ts';

/**
 * Causal convolutions along a text, from shifted slices: `withPast` puts before it what comes before it, and a convolution of K taps gives
 * back K − 1 positions fewer. Filters lie as PyTorch's Conv1d stores them: along the axis `tap`, oldest first, the current token last.
 */

/** x with `count` positions before it along `time`: zeros, or the given ones (the end of the text so far). */
export function withPast<A extends string, const K extends A>(
  x: Tensor<A>,
  time: K,
  count: number,
  past?: Tensor<A>,
): Tensor<A> {
  if (count === 0) return x;
  return past ? concat([past, x], time) : pad(x, time, count, 0);
}

/** The last `count` positions along `time`: what a convolution keeps for the next token. */
export function lastOf<A extends string, const K extends A>(x: Tensor<A>, time: K, count: number): Tensor<A> {
  const length = sizes(x).get(time)!;
  return slice(x, time, length.minus(count), length);
}

/** Σ over the taps of what `product` makes of x, shifted to each. */
function overTaps(
  x: Tensor<string>,
  time: string,
  weight: Tensor<string>,
  product: (shifted: Tensor<string>, tap: Tensor<string>) => Tensor<string>,
): Tensor<string> {
  const taps = sizes(weight).get('tap')!.evaluate({});
  const length = sizes(x)
    .get(time)!
    .minus(taps - 1);
  const terms = Array.from({ length: taps }, (_, i) =>
    product(slice(x, time as never, i, length.plus(i)), pick(weight, 'tap' as never, i)),
  );
  return terms.reduce((total, term) => add(total, term));
}

/** Depthwise: y[t, c] = b[c] + Σ_i w[c, i] · x[t + i, c]. Filters that lack an axis of x are shared along it. */
export function depthwise<A extends string, const K extends A, C extends Exclude<A, K>>(
  x: Tensor<A>,
  time: K,
  weight: Tensor<C | 'tap'>,
  bias?: Tensor<C>,
): Tensor<A> {
  const y = overTaps(x as never, time, weight as never, (shifted, tap) => multiply(shifted, tap));
  return (bias ? add(y, bias as never) : y) as never;
}

/** Grouped: y[t, g, o] = b[g, o] + Σ_i Σ_c w[g, o, c, i] · x[t + i, g, c], with o along `out` in the filters and c, then o, along D in x and y. */
export function grouped<A extends string, const K extends A, C extends Exclude<A, K | 'D'>>(
  x: Tensor<A>,
  time: K,
  weight: Tensor<C | 'out' | 'D' | 'tap'>,
  bias?: Tensor<C | 'out'>,
): Tensor<A> {
  const y = overTaps(x as never, time, weight as never, (shifted, tap) => dot(shifted, tap, 'D' as never));
  return rename((bias ? add(y, bias as never) : y) as Tensor<string>, 'out', 'D') as never;
}
