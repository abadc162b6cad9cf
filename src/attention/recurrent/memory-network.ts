import { activations } from '../../layers/activations.ts';
import {
  add,
  divide,
  dot,
  erf,
  exp,
  mean,
  multiply,
  rename,
  sqrt,
  subtract,
  sum,
  type Tensor,
  weight,
} from '../../tensor/index.ts';

/** Weights of a memory network by name, or anything of their shapes. Those before the first update are every text's: they lack B. */
export type MemoryWeights = Readonly<Record<string, Tensor<string>>>;

export interface MemoryNetworkOptions {
  /** L_M: a matrix (1) or two matrices with GELU between them (2). Default 2. */
  readonly layers?: 1 | 2;
  /** Width between the two matrices over D. Default 4. */
  readonly expansion?: number;
  /** γ ⊙ (z − mean) / std over D after the last matrix. Default true. */
  readonly norm?: boolean;
  /** Adds the key: M(k) = k + …, so that a memory of zeros gives the key, not nothing. Default true. */
  readonly residual?: boolean;
}

/** A small network whose weights are the memory, one for each key/value head. */
export interface MemoryNetwork {
  /** Axes and sizes of its weights, without B, in stored order. */
  readonly shapes: Readonly<Record<string, Readonly<Record<string, number>>>>;
  /** M_0: the stored initial weights, below a name. */
  initial(name: string): MemoryWeights;
  /** M(x) for x with axes B, T, G, D (and R). */
  read<A extends string>(weights: MemoryWeights, x: Tensor<A>): Tensor<A>;
  /** Σ_T θ ∇_M ‖M(k) − v‖², in closed form. k, v: [B, T, G, D], θ: [B, T, G]. */
  surprise(
    weights: MemoryWeights,
    k: Tensor<'B' | 'T' | 'G' | 'D'>,
    v: Tensor<'B' | 'T' | 'G' | 'D'>,
    theta: Tensor<'B' | 'T' | 'G'>,
  ): MemoryWeights;
}

type Rows = Tensor<'B' | 'T' | 'G' | 'D'>;
type Hidden = Tensor<'B' | 'T' | 'G' | 'F'>;

/**
 * The memory of Titans, 2501.00663: M(k) = k + γ ⊙ norm(z), z = gelu(k W_1) W_2, or z = k W with one layer.
 *
 * Its inner gradient is written out, so that first-order differentiation of these expressions trains the outer model:
 * g = 2 θ (M(k) − v), ĝ = γ ⊙ g, dz = (ĝ − mean ĝ − ẑ mean(ĝ ⊙ ẑ)) / σ, dW_2 = hᵀ dz, da = (dz W_2ᵀ) ⊙ gelu′(a), dW_1 = kᵀ da, dγ = Σ g ⊙ ẑ.
 */
export function memoryNetwork(
  { G, D }: { readonly G: number; readonly D: number },
  epsilon: number,
  { layers = 2, expansion = 4, norm = true, residual = true }: MemoryNetworkOptions = {},
): MemoryNetwork {
  const F = expansion * D;
  const shapes = {
    ...(layers === 1 ? { W: { G, D, Y: D } } : { W_1: { G, D, F }, W_2: { G, F, D } }),
    ...(norm ? { gamma: { G, D } } : {}),
  };

  /** Everything between the input and z. */
  function inner(weights: MemoryWeights, x: Rows) {
    if (layers === 1) return { z: rename(dot(x, weights.W as Tensor<'B' | 'G' | 'D' | 'Y'>, 'D'), 'Y', 'D') };
    const a = dot(x, weights.W_1 as Tensor<'B' | 'G' | 'D' | 'F'>, 'D');
    const h = activations.gelu(a);
    return { a, h, z: dot(h, weights.W_2 as Tensor<'B' | 'G' | 'F' | 'D'>, 'F') };
  }

  function standardised(z: Rows) {
    const centred = subtract(z, mean(z, 'D')) as Rows;
    const deviation = sqrt(add(mean(multiply(centred, centred), 'D'), epsilon));
    return { unit: divide(centred, deviation) as Rows, deviation };
  }

  function read(weights: MemoryWeights, x: Rows): Rows {
    const { z } = inner(weights, x);
    const out = norm ? (multiply(standardised(z).unit, weights.gamma as Tensor<'B' | 'G' | 'D'>) as Rows) : z;
    return residual ? add(x, out) : out;
  }

  return {
    shapes,
    initial: (name) =>
      Object.fromEntries(
        Object.entries(shapes).map(([part, axes]) => [
          part,
          weight(`${name}.${part}`, axes as never) as Tensor<string>,
        ]),
      ),
    read: (weights, x) => read(weights, x as unknown as Rows) as never,
    surprise(weights, k, v, theta) {
      const { a, h, z } = inner(weights, k);
      const { unit, deviation } = standardised(z);
      const gamma = weights.gamma as Tensor<'B' | 'G' | 'D'>;
      const plain = norm ? (multiply(unit, gamma) as Rows) : z;
      const out = residual ? add(k, plain) : plain;
      const g = multiply(multiply(subtract(out, v), theta) as Rows, 2);
      const scaled = multiply(g, gamma ?? 1) as Rows;
      const along = mean(multiply(scaled, unit), 'D');
      const pulled = subtract(subtract(scaled, mean(scaled, 'D')) as Rows, multiply(unit, along)) as Rows;
      const dz = norm ? (divide(pulled, deviation) as Rows) : g;
      const own = norm ? { gamma: sum(multiply(g, unit), 'T') as unknown as Tensor<string> } : {};
      if (!a || !h) return { W: dot(k, rename(dz, 'D', 'Y'), 'T') as unknown as Tensor<string>, ...own };
      const da = multiply(dot(dz, weights.W_2 as Tensor<'B' | 'G' | 'F' | 'D'>, 'D'), geluSlope(a)) as Hidden;
      const made = { W_1: dot(k, da, 'T'), W_2: dot(h, dz, 'T') };
      return { ...(made as unknown as MemoryWeights), ...own };
    },
  };
}

/** gelu′(a) = Φ(a) + a φ(a). */
function geluSlope(a: Hidden): Hidden {
  const below = multiply(add(erf(multiply(a, Math.SQRT1_2)), 1), 0.5);
  const density = multiply(exp(multiply(multiply(a, a), -0.5)), (2 * Math.PI) ** -0.5);
  return add(below, multiply(a, density));
}
