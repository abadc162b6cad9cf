import { alibiSlopes, interpolatedSlopes } from './position-bias.ts';

export type DecayName = 'transnormer' | 'minimax' | 'none';

/**
 * s_h ≥ 0 of λ_h = e^(−s_h), one for each head of layer l of L: a slope · (1 − l/(L − 1) + 10⁻⁵), so that shallow layers are local and the last
 * hardly forgets (TransNormerLLM, 2405.17381). `minimax`: slopes 2^(−8h/H) for every H, and L − 1 + 10⁻⁵ as divisor (2501.08313). `none`: λ = 1.
 */
export function decayRates(
  name: DecayName,
  { H, layer, layers }: { readonly H: number; readonly layer: number; readonly layers: number },
): number[] {
  if (name === 'none') return new Array<number>(H).fill(0);
  const depth = layer === 0 ? 0 : layer / (layers - 1 + (name === 'minimax' ? 1e-5 : 0));
  const own = name === 'minimax' ? alibiSlopes(H) : interpolatedSlopes(H);
  return own.map((slope) => slope * (1 - depth + 1e-5));
}
