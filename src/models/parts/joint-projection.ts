import type { HeadSizes, Projections } from '../../attention/projections.ts';
import { add, dot, pick, rename, slice, type Tensor, weight } from '../../tensor/index.ts';

/**
 * Queries, keys and values in one stored matrix ordered by group: the R query heads of a group, then its key head, then its value head,
 * [G, R + 2, D, M]. With R = 1 that is BLOOM's [H, 3, D, M].
 */
export function jointByGroup(
  name: string,
  { H, G, D, M }: HeadSizes,
  { bias }: { readonly bias: boolean },
): Pick<Projections, 'q' | 'k' | 'v'> {
  const R = H / G;
  const heads = { G, P: R + 2, D };
  const matrix = () => weight(`${name}.weight`, { ...heads, M });
  const vector = () => weight(`${name}.bias`, heads);
  const one = (head: number) => (x: Tensor<'B' | 'S' | 'M'>) => {
    const y = dot(x, pick(matrix(), 'P', head), 'M');
    return bias ? add(y, pick(vector(), 'P', head)) : y;
  };
  return {
    q(x) {
      const y = dot(x, rename(slice(matrix(), 'P', 0, R), 'P', 'R'), 'M');
      return bias ? add(y, rename(slice(vector(), 'P', 0, R), 'P', 'R')) : y;
    },
    k: one(R),
    v: one(R + 1),
  };
}
