import type { CurvesPicture } from './measurement.ts';

/**
 * Two curves over layers: a value at the top sink, and its mean over the other tokens.
 *
 * @param values [L][T], null for a layer without values.
 * @param weights [L][T] of the mean over the others. Default: all alike.
 */
export function besideOthers(
  values: readonly (ArrayLike<number> | null)[],
  top: number,
  weights?: readonly (ArrayLike<number> | null)[],
): CurvesPicture['series'] {
  const others = values.map((layer, l) => {
    if (layer === null) return null;
    let sum = 0;
    let weight = 0;
    for (let t = 0; t < layer.length; t++) {
      if (t === top) continue;
      const own = weights === undefined ? 1 : weights[l]![t]!;
      sum += own * layer[t]!;
      weight += own;
    }
    return weight > 0 ? sum / weight : 0;
  });
  return [
    { label: 'top sink', values: values.map((layer) => layer && layer[top]!) },
    { label: 'other tokens', values: others },
  ];
}
