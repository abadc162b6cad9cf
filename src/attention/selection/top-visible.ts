import { and, cast, dot, equal, less, or, rename, stopGradient, type Tensor } from '../../tensor/index.ts';

/**
 * True where key S is among the `count` highest scores of the keys that query T may see; a query that sees fewer keeps them all. Of equal
 * scores the later key wins, or the earlier one. Nothing is differentiated.
 *
 * The scores do not know the query, so the rivals of each key are found once, S × S, and counted for each query by one product T × S × S:
 * exact for any mask, and no order is left to the runtime.
 *
 * @param scores [S] and whatever axes beside it
 * @param visible what each query may see, [T, S] or [B, T, S]
 * @param keys index of each key, by which ties are decided
 * @param count whole number of at least 1
 */
export function topVisible<A extends string>(
  scores: Tensor<A | 'S'>,
  visible: Tensor<'T' | 'S'> | Tensor<'B' | 'T' | 'S'>,
  keys: Tensor<'S'>,
  count: number,
  ties: 'earlier' | 'later',
): Tensor<A | 'T' | 'S'> {
  const own = stopGradient(scores) as unknown as Tensor<'S'>;
  const rival = rename(own, 'S', 'Rival');
  const rivalKeys = rename(keys, 'S', 'Rival');
  const first = ties === 'later' ? less(keys, rivalKeys) : less(rivalKeys, keys);
  const beats = or(less(own, rival), and(equal(own, rival), first));
  const seen = rename(visible as Tensor<'T' | 'S'>, 'S', 'Rival');
  const ahead = dot(cast(seen, 'float32'), cast(beats, 'float32'), 'Rival');
  return and(visible as Tensor<'T' | 'S'>, less(ahead, count)) as unknown as Tensor<A | 'T' | 'S'>;
}
