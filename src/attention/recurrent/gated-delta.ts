import {
  absolute,
  add,
  cast,
  divide,
  dot,
  exp,
  iota,
  less,
  lessOrEqual,
  log,
  multiply,
  negate,
  power,
  relu,
  rename,
  select,
  size,
  sqrt,
  subtract,
  sum,
  type Tensor,
} from '../../tensor/index.ts';
import { unitLowerInverse } from './unit-lower-inverse.ts';

type Tokens = 'B' | 'T' | 'G';

export interface GatedDeltaTokens {
  /** [B, T, G, D] each; values may have another width than queries and keys. */
  readonly q: Tensor<Tokens | 'D'>;
  readonly k: Tensor<Tokens | 'D'>;
  readonly v: Tensor<Tokens | 'D'>;
  /** Share of the old value at a key that is overwritten, in (0, 1). */
  readonly beta: Tensor<Tokens>;
  /** ln of what is left of the state after a token, at most 0. */
  readonly decay: Tensor<Tokens>;
}

/**
 * The gated delta rule (Gated DeltaNet, 2412.06464): S_t = α_t S_{t−1} + k_t ⊗ u_t, u_t = β_t (v_t − k_t · α_t S_{t−1}), o_t = q_t · S_t.
 * All u of a whole text at once, (I + L) u = β v with L_ts = β_t e^(γ_t − γ_s) k_t · k_s below the diagonal, γ the sums of ln α; then
 * o_t = Σ_{s ≤ t} e^(γ_t − γ_s) (q_t · k_s) u_s. Dense, O(T³): right for parity and short texts.
 */
export function gatedDelta({ q, k, v, beta, decay }: GatedDeltaTokens): Tensor<Tokens | 'D'> {
  const length = size(q, 'T');
  const [t, s] = [iota('T', length), iota('S', length)];
  const past = lessOrEqual(s, t);
  const along = <A extends string>(x: Tensor<A | 'T'>) =>
    rename(x as Tensor<'T'>, 'T', 'S') as unknown as Tensor<A | 'S'>;
  const total = dot(cast(past, 'float32'), along(decay) as never, 'S') as unknown as Tensor<Tokens>;
  const left = subtract(total, along(total) as never) as unknown as Tensor<'B' | 'G' | 'T' | 'S'>;
  // Selected before the exponential, which would overflow above the diagonal.
  const kept = select(past, exp(select(past, left, 0)), 0);
  const products = (x: Tensor<Tokens | 'D'>) =>
    multiply(kept, dot(x, along(k) as never, 'D') as never) as unknown as Tensor<'B' | 'G' | 'T' | 'S'>;
  const lower = multiply(products(k), beta as never) as Tensor<'B' | 'G' | 'T' | 'S'>;
  const written = dot(
    unitLowerInverse(select(less(s, t), lower, 0)),
    along(multiply(v, beta as never)) as never,
    'S',
  ) as unknown as Tensor<Tokens | 'D'>;
  return dot(products(q), along(written) as never, 'S') as unknown as Tensor<Tokens | 'D'>;
}

/** x / √(Σ x² + 10⁻⁶) over D. */
export function unitLength<A extends string>(x: Tensor<A | 'D'>): Tensor<A | 'D'> {
  return divide(x, sqrt(add(sum(power(x, 2), 'D'), 1e-6)) as never) as Tensor<A | 'D'>;
}

/** ln(1 + eˣ) without overflow. */
export function softplus<A extends string>(x: Tensor<A>): Tensor<A> {
  return add(relu(x), log(add(exp(negate(absolute(x))), 1)));
}
