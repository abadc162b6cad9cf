import type { HostTensor } from '../runtime/backend.ts';
import type { HookName } from './hook-names.ts';
import type { Model } from './model.ts';
import type { ReferenceTensor } from './verify-reference.ts';

/** Hook points that tell whether a choice of keys hangs on ties. */
export function tieHooks({ stack: { blocks } }: Model): HookName[] {
  return blocks.flatMap(({ choosesKeys }, layer): HookName[] =>
    choosesKeys === undefined ? [] : [`blocks.${layer}.attn.hook_index_scores`],
  );
}

/**
 * The first query of each text whose choice of keys, in this layer or one before, hangs on a tie: the last chosen score and the first that is
 * not are equal, and which of the two keys is chosen follows no order in reference implementations. From there on values cannot be compared.
 * By layer; Infinity where no choice does.
 *
 * @param mask 1 for real positions [B, T]; absent when nothing is padding
 */
export function firstTies(
  { stack: { blocks } }: Model,
  captured: ReadonlyMap<HookName, HostTensor>,
  mask: ArrayLike<number> | undefined,
): number[][] {
  let before: number[] = [];
  return blocks.map(({ choosesKeys, tokensPerEntry = 1 }, layer) => {
    const scores = captured.get(`blocks.${layer}.attn.hook_index_scores`);
    if (choosesKeys === undefined || !scores) return before;
    const [B = 0, T = 0] = scores.shape;
    const values = scores.data as Float32Array;
    before = Array.from({ length: B }, (_, b) => {
      const real = (t: number) => mask === undefined || mask[b * T + t] === 1;
      for (let t = 0; t < Math.min(T, before[b] ?? T); t++)
        if (real(t) && hangsOnTie(visibleScores(values, { b, t, T, tokensPerEntry }, real), choosesKeys)) return t;
      return before[b] ?? Number.POSITIVE_INFINITY;
    });
    return before;
  });
}

/** Scores of what a query may see: real keys up to itself, or the last tokens of entries among them. */
function visibleScores(
  values: Float32Array,
  { b, t, T, tokensPerEntry }: { b: number; t: number; T: number; tokensPerEntry: number },
  real: (s: number) => boolean,
): number[] {
  const found: number[] = [];
  for (let s = 0, seen = 0; s <= t; s++)
    if (real(s) && ++seen % tokensPerEntry === 0) found.push(values[(b * T + t) * T + s]!);
  return found;
}

function hangsOnTie(scores: number[], count: number): boolean {
  if (scores.length <= count) return false;
  scores.sort((x, y) => y - x);
  return scores[count - 1] === scores[count];
}

/** Which positions of a value are compared, absent for all, and how many queries ties leave out of it. */
export function comparable(
  { kind, layer }: Pick<ReferenceTensor, 'kind' | 'layer'>,
  ties: readonly (readonly number[])[],
  { T, mask }: { readonly T: number; readonly mask: ArrayLike<number> | undefined },
): { readonly real?: { readonly T: number; readonly mask: ArrayLike<number> }; readonly tied: number } {
  const limits = kind === 'embeddings' ? [] : (ties[layer ?? ties.length - 1] ?? []);
  const tied = limits.reduce((total, first) => total + Math.max(0, T - first), 0);
  const padded = mask !== undefined && Array.from(mask).includes(0);
  if (tied === 0) return padded ? { real: { T, mask }, tied } : { tied };
  const all = Array.from({ length: limits.length * T }, (_, i) =>
    i % T < limits[Math.floor(i / T)]! && (mask === undefined || mask[i] === 1) ? 1 : 0,
  );
  return { real: { T, mask: all }, tied };
}
