import type { HighNormToken, TokenInfo, TokenRole } from './result.ts';

/** Ours: of some hundred tokens a few pass three deviations by chance. */
export const leastNormRatio = 2;
/** With fewer, no token can be three deviations above the mean of all. */
const leastOrdinary = 11;

const ordinary = new Set<TokenRole>(['first', 'text', 'template', 'patch', 'frame']);

/**
 * Tokens of high norm, as vision transformers make them of patches with little in them (2309.16588): ‖h_t‖ after a block is above mean + 3
 * standard deviations over the ordinary tokens (2506.08010) and at least twice their median. Ordinary are text, patches and frames; class
 * token, separators and registers are held against them and are not counted in mean, deviation and median.
 *
 * @param norms [L][T] ‖h_t‖ after each block.
 * @returns the tokens with the largest ratio first; none where fewer than 11 tokens are ordinary.
 */
export function highNormTokens(norms: readonly ArrayLike<number>[], tokens: readonly TokenInfo[]): HighNormToken[] {
  const members = tokens.filter(({ role }) => ordinary.has(role)).map(({ position }) => position);
  if (members.length < leastOrdinary) return [];
  const found = new Map<number, HighNormToken>();
  norms.forEach((layer, l) => {
    const own = members.map((position) => layer[position]!).sort((a, b) => a - b);
    const mean = own.reduce((a, b) => a + b, 0) / own.length;
    const deviation = Math.sqrt(own.reduce((sum, norm) => sum + (norm - mean) ** 2, 0) / own.length);
    const median = (own[(own.length - 1) >> 1]! + own[own.length >> 1]!) / 2;
    for (const token of tokens) {
      const norm = layer[token.position]!;
      const ratio = norm / Math.max(median, 2 ** -126);
      if (norm <= mean + 3 * deviation || ratio < leastNormRatio) continue;
      const known = found.get(token.position);
      const firstLayer = known?.firstLayer ?? l;
      const best = known && known.ratio >= ratio ? known : { layer: l, norm, ratio };
      found.set(token.position, {
        ...{ ...token, firstLayer, lastLayer: l },
        ...{ layer: best.layer, norm: best.norm, ratio: best.ratio },
      });
    }
  });
  return [...found.values()].sort((a, b) => b.ratio - a.ratio || a.position - b.position);
}
