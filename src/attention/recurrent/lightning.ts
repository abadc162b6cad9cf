import {
  add,
  cast,
  constant,
  dot,
  exp,
  expand,
  iota,
  less,
  maximum,
  merge,
  multiply,
  pad,
  pick,
  rename,
  select,
  size,
  slice,
  split,
  subtract,
  type Tensor,
} from '../../tensor/index.ts';
import { causalMask, type Places } from '../places.ts';
import type { Keys, Queries, Values } from '../steps.ts';

/** Σ_s λ^(t−s) k_s ⊗ v_s: all that a head knows of the tokens so far, [B, G, Feature, D]. Features are the width of q and k. */
export type DecayedState = Tensor<'B' | 'G' | 'Feature' | 'D'>;

/** e^(−rate · x) for each head. */
function decays<A extends string>(rates: readonly number[], x: Tensor<A>): Tensor<A | 'G'> {
  return exp(
    multiply(
      constant(
        rates.map((rate) => -rate),
        { G: rates.length },
      ),
      x,
    ) as Tensor<A | 'G'>,
  );
}

/** λ^(t−s) for the keys that a query may see and 0 for the others, [G, T, S]. */
export function decayMask(rates: readonly number[], places: Places): Tensor<'G' | 'T' | 'S'> {
  const lag = cast(maximum(subtract(places.queries, places.keys), 0), 'float32');
  return select(causalMask(places) as Tensor<'T' | 'S'>, decays(rates, lag), 0);
}

const features = <A extends string>(x: Tensor<A | 'D'>) => rename(x, 'D', 'Feature') as Tensor<A | 'Feature'>;

/**
 * o_t = Σ_{s ≤ t} λ^(t−s) (q_t · k_s) v_s over a whole text, block by block: the quadratic product inside a block, and between blocks the state
 * that enters each, all blocks at once. The same values as the quadratic form, in O(T · block · D + T · D²) and (T / block)² · D² for the states.
 *
 * @param q [B, T, G, 1, D]; one query head for each key/value head
 * @param block whole number of at least 1
 */
export function chunkedLightning(q: Queries, k: Keys, v: Values, rates: readonly number[], block: number): Queries {
  const length = size(q, 'T').constant!;
  const blocks = Math.ceil(length / block);
  const missing = blocks * block - length;
  const inBlocks = { Block: blocks, S: block } as const;
  const keys = split(pad(features<'B' | 'S' | 'G'>(k), 'S', 0, missing), 'S', inBlocks);
  const values = split(pad(v, 'S', 0, missing), 'S', inBlocks);
  const single = features<'B' | 'T' | 'G'>(pick(q, 'R', 0));
  const queries = split(pad(single, 'T', 0, missing), 'T', { Block: blocks, T: block });

  const [t, s] = [iota('T', block), iota('S', block)];
  const within = decayMask(rates, { queries: t, keys: s, queryPositions: t, keyPositions: s });
  const intra = dot(multiply(dot(queries, keys, 'Feature'), within), values, 'S');

  // Token i of a block is i + (block − j) after token j of the block before.
  const ahead = decays(rates, subtract(block, cast(s, 'float32')));
  const own = dot(multiply(keys, ahead), values, 'S');
  const [entered, left] = [iota('Entered', blocks), iota('Block', blocks)];
  const between = cast(subtract(subtract(entered, left), 1), 'float32');
  const carried = select(less(left, entered), decays(rates, multiply(maximum(between, 0), block)), 0);
  const entering = rename(dot(carried, own, 'Block'), 'Entered', 'Block');
  const inter = dot(multiply(queries, decays(rates, cast(t, 'float32'))), entering, 'Feature');

  const whole = merge(add(intra, inter), ['Block', 'T'], 'T');
  return expand(missing === 0 ? whole : slice(whole, 'T', 0, length), { R: 1 });
}

/** λ · state: what is left of it one token later. */
export function decayed(state: DecayedState, rates: readonly number[]): DecayedState {
  return multiply(
    state,
    constant(
      rates.map((rate) => Math.exp(-rate)),
      { G: rates.length },
    ),
  );
}

/** k ⊗ v of one token. */
export function outerProduct(k: Keys, v: Values): DecayedState {
  return dot(features<'B' | 'S' | 'G'>(k), v, 'S');
}

/** q · state. */
export function readState(q: Queries, state: DecayedState): Queries {
  return dot(features<'B' | 'T' | 'G' | 'R'>(q), state, 'Feature');
}
