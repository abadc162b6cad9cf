import type { Mechanism } from './mechanism.ts';

/**
 * Which layers keep standard attention when the others are replaced (2510.11602; there for 24 layers). `uniform`: none. `even`: the second,
 * fourth, …, the paper's hybrid. `quarter`: every fourth. `top-replaced`, `middle-replaced`, `bottom-replaced`: half of the layers are
 * replaced, at that place of the stack. `bilateral`: the first and the last keep it.
 */
export type LayerPlan =
  | 'uniform'
  | 'even'
  | 'odd'
  | 'top-replaced'
  | 'middle-replaced'
  | 'bottom-replaced'
  | 'quarter'
  | 'first'
  | 'last'
  | 'bilateral';

/** Does layer `index` of L, counted from 0, keep standard attention? The paper counts from 1: under `even` the first layer is replaced. */
export function keepsAttention(plan: LayerPlan, index: number, L: number): boolean {
  const layer = index + 1;
  switch (plan) {
    case 'uniform':
      return false;
    case 'even':
      return layer % 2 === 0;
    case 'odd':
      return layer % 2 === 1;
    case 'top-replaced':
      return layer <= L / 2;
    case 'middle-replaced':
      return layer <= L / 4 || layer > L - L / 4;
    case 'bottom-replaced':
      return layer > L / 2;
    case 'quarter':
      return layer % 4 === 0;
    case 'first':
      return layer === 1;
    case 'last':
      return layer === L;
    case 'bilateral':
      return layer === 1 || layer === L;
  }
}

/** The mechanism of each layer under a plan, for `smallDecoder` and its kin. */
export function planned(
  plan: LayerPlan,
  L: number,
  { standard, replacement }: { readonly standard: Mechanism; readonly replacement: Mechanism },
): (layer: number) => Mechanism {
  return (layer) => (keepsAttention(plan, layer, L) ? standard : replacement);
}
