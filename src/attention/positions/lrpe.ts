import { cast, concat, cos, multiply, remainder, sin, type Tensor, type Within } from '../../tensor/index.ts';
import { doublePositions } from '../places.ts';

/**
 * Linearised relative position encoding (TransNormerLLM, 2307.14995): x at position t becomes [x ⊙ cos(t θ), x ⊙ sin(t θ)], twice as wide, so
 * that q · k is Σ_c q_c k_c cos((t − s) θ_c). The angles θ are learned; positions enter in double precision.
 */
export function linearisedPositions<A extends string>(
  x: Tensor<A | 'G' | 'D'>,
  positions: Within<A>,
  theta: Tensor<'G' | 'D'>,
): Tensor<A | 'G' | 'D'> {
  const angle = multiply(doublePositions(positions) as Tensor<never>, cast(theta, 'float64'));
  const turned = cast(remainder(angle, 2 * Math.PI), 'float32');
  return concat([multiply(x, cos(turned)), multiply(x, sin(turned))] as Tensor<A | 'G' | 'D'>[], 'D' as never);
}

/** θ at first: 10000^(−2m/(H · D)) of channel m, counted through all heads. */
export function firstAngles(H: number, D: number): number[] {
  return Array.from({ length: H * D }, (_, m) => 10_000 ** ((-2 * m) / (H * D)));
}
