import {
  add,
  and,
  cast,
  dot,
  equal,
  iota,
  lessOrEqual,
  not,
  rename,
  select,
  size,
  subtract,
  type Tensor,
  type Within,
} from '../../tensor/index.ts';

/**
 * Rows of RoBERTa's table of positions: `padding` for tokens of that id, and padding + n for the n-th of the others. What is padding
 * before a text (there `positions` does not count on) is not counted, whatever its id.
 */
export function realTokenRows(padding: number) {
  return (ids: Tensor<'B' | 'T'>, positions: Within<'B' | 'T'>): Tensor<'B' | 'T'> => {
    const index = iota('T', size(ids, 'T'));
    const earlier = iota('S', size(ids, 'T'));
    const start = subtract(index, positions as Tensor<'B' | 'T'>);
    const counted = and(lessOrEqual(start, earlier), lessOrEqual(earlier, index));
    const text = not(equal(ids, padding));
    const count = dot(cast(counted, 'float32'), cast(rename(text, 'T', 'S'), 'float32'), 'S');
    return select(text, add(cast(count, 'int64'), padding), padding);
  };
}
