import { InputError } from '../../error.ts';

export interface BlockSkippingOptions {
  /** Queries in a block, at least 1. Default 64. */
  readonly queries?: number;
  /** Keys in a block, at least 1. Default 64. */
  readonly keys?: number;
}

/** Which blocks of a pattern a kernel must compute, and what it saves by leaving out the others. */
export interface BlockSkipping {
  /** 1 where some query of the block keeps some key of it; the axes of the pattern with blocks in place of T and S. */
  readonly needed: Uint8Array;
  readonly shape: readonly number[];
  /** Pairs of query and key in the needed blocks, whole: one is 2 D multiply-adds, for the score and for the value. */
  readonly pairs: number;
  /** The same of all blocks that hold a key not after its query, as a dense causal kernel computes them. */
  readonly causalPairs: number;
  /** 1 − pairs / causalPairs. */
  readonly saved: number;
}

/**
 * The blocks that a sparse kernel (2508.02124) may skip because no query of theirs keeps a key: what this library's dense graph leaves to others.
 * A key is kept where its weight is not 0; a weight that underflowed to 0 adds nothing either. The queries are the last T of the S keys.
 *
 * A block is needed as soon as one of its queries keeps one of its keys: the share of kept keys alone, w / S, is saved with blocks of one.
 *
 * @param pattern weights [..., T, S] as captured: every axis before the last two is a head of its own. Throws an InputError for other shapes,
 * and for sizes of blocks that are no whole numbers of at least 1.
 */
export function skippedBlocks(
  { shape, data }: { readonly shape: readonly number[]; readonly data: ArrayLike<number | bigint> },
  { queries = 64, keys = 64 }: BlockSkippingOptions = {},
): BlockSkipping {
  for (const [name, value] of Object.entries({ queries, keys }))
    if (!Number.isSafeInteger(value) || value < 1)
      throw new InputError(`skipped blocks: ${name} must be a whole number of at least 1, got ${value}`);
  const [T, S] = shape.slice(-2);
  if (T === undefined || S === undefined || T > S || shape.reduce((a, b) => a * b, 1) !== data.length)
    throw new InputError(
      `skipped blocks: expected weights [..., T, S] with at least as many keys as queries, got ${data.length} numbers of shape [${shape.join(', ')}]`,
    );
  const blocks = [Math.ceil(T / queries), Math.ceil(S / keys)] as const;
  const heads = shape.slice(0, -2).reduce((a, b) => a * b, 1);
  const needed = new Uint8Array(heads * blocks[0] * blocks[1]);
  const at = (head: number, row: number, column: number) => (head * blocks[0] + row) * blocks[1] + column;
  for (let i = 0; i < data.length; i++) {
    if (Number(data[i]) === 0) continue;
    const row = Math.floor(i / S);
    needed[at(Math.floor(row / T), Math.floor((row % T) / queries), Math.floor((i % S) / keys))] = 1;
  }
  let [pairs, causalPairs] = [0, 0];
  for (let row = 0; row < blocks[0]; row++)
    for (let column = 0; column < blocks[1]; column++) {
      const end = Math.min(T, (row + 1) * queries);
      const size = (end - row * queries) * (Math.min(S, (column + 1) * keys) - column * keys);
      if (column * keys <= S - T + end - 1) causalPairs += heads * size;
      for (let head = 0; head < heads; head++) if (needed[at(head, row, column)]) pairs += size;
    }
  const saved = causalPairs === 0 ? 0 : 1 - pairs / causalPairs;
  return { needed, shape: [...shape.slice(0, -2), ...blocks], pairs, causalPairs, saved };
}
