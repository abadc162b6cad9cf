import { InputError } from '../error.ts';
import type { SinkToken, TokenInfo } from './result.ts';
import { largestCosine, type Primary, type TurnedToken } from './secondary-detector.ts';
import { type UniformAttention, uniformAttention } from './uniform.ts';

/** Below this length nothing is announced: uniform attention alone lifts the first keys of short texts above common thresholds. */
export const leastTokens = 64;
/** Keys seen by fewer queries are left out, and so are layers whose window shows a key to fewer: their means rest on too little. */
export const leastQueries = 32;
/** Less than this above uniform attention is the rounding of float32. */
const rounding = 1e-6;

export interface SinkEvidence {
  /** [S] the page, unpadded. */
  readonly tokens: readonly TokenInfo[];
  /** [L] sliding windows, null for full attention. */
  readonly windows: readonly (number | null)[];
  /** [L][S] attention received without row 0: mean over heads, and the largest over heads (`receivedByKey`). */
  readonly mean: readonly ArrayLike<number>[];
  readonly max: readonly ArrayLike<number>[];
  /** A head has a sink on a key when it receives more than this. Default 0.3. */
  readonly epsilon?: number;
  /** The residual side, where it was measured: without it every sink is 'attention only'. */
  readonly residual?: {
    readonly primary: Primary;
    readonly turned: readonly TurnedToken[];
    /** [L][T] cosine to the primary's residual. */
    readonly cosine: readonly ArrayLike<number>[];
  };
}

export interface SinkTokens {
  /** Largest excess first, ties by position. */
  sinks: SinkToken[];
  /** The key with the largest excess among those seen by enough queries, announced or not; null when there is none. */
  strongest: number | null;
  /** Why nothing is announced. */
  notes: string[];
}

/**
 * The tokens that are sinks: seen by at least 32 queries, more than epsilon and more than uniform attention in some head of some layer,
 * and above uniform attention on the mean over layers and heads. Throws an InputError for arrays that do not fit.
 */
export function findSinkTokens(evidence: SinkEvidence): SinkTokens {
  const { tokens, windows, epsilon = 0.3, residual } = evidence;
  const S = tokens.length;
  checkShapes(evidence);
  const uniform = uniformByLayer(S, windows);
  const candidates: SinkToken[] = [];
  let strongest: { position: number; excess: number } | null = null;
  for (const [position, token] of tokens.entries()) {
    const queries = S - position;
    if (queries < leastQueries) break;
    const { received, excess } = overLayers(evidence.mean, uniform, position);
    if (strongest === null || excess > strongest.excess) strongest = { position, excess };
    const layers = windows.flatMap((_, l) => {
      const { queries: seenBy, received: baseline } = uniform[l]!;
      const highest = evidence.max[l]![position]!;
      return seenBy[position]! >= leastQueries && highest > epsilon && highest > baseline[position]! + rounding
        ? [l]
        : [];
    });
    if (layers.length === 0 || !(excess > rounding)) continue;
    candidates.push({
      ...token,
      queries,
      received,
      excess,
      kind: kindOf(position, residual),
      firstLayer: layers[0]!,
      lastLayer: layers.at(-1)!,
      ...(residual?.primary.massive && { cosine: largestCosine(residual.cosine, residual.primary, position) }),
    });
  }
  const top = strongest?.position ?? null;
  if (S < leastTokens) return { sinks: [], strongest: top, notes: [tooShort(S)] };
  candidates.sort((a, b) => b.excess - a.excess || a.position - b.position);
  const nothing = `No key of the page receives more than ${epsilon} in any head and more than uniform attention gives it.`;
  return { sinks: candidates, strongest: top, notes: candidates.length === 0 ? [nothing] : [] };
}

function kindOf(position: number, residual: SinkEvidence['residual']): SinkToken['kind'] {
  if (!residual?.primary.massive) return 'attention only';
  if (position === residual.primary.position) return 'primary';
  const label = residual.turned.find((token) => token.position === position)?.label;
  return label === 'primary-like' ? 'primary' : label === 'secondary' ? 'secondary' : 'attention only';
}

/** Means over the layers in which any later query sees the key. */
function overLayers(mean: SinkEvidence['mean'], uniform: readonly UniformAttention[], position: number) {
  let layers = 0;
  let received = 0;
  let baseline = 0;
  for (const [l, { laterQueries, received: uniformReceived }] of uniform.entries()) {
    if (laterQueries[position] === 0) continue;
    layers++;
    received += mean[l]![position]!;
    baseline += uniformReceived[position]!;
  }
  return layers === 0
    ? { received: 0, excess: 0 }
    : { received: received / layers, excess: (received - baseline) / layers };
}

function uniformByLayer(T: number, windows: SinkEvidence['windows']): UniformAttention[] {
  const byWindow = new Map<number | null, UniformAttention>();
  return windows.map((window) => {
    const known = byWindow.get(window) ?? uniformAttention({ T, window });
    byWindow.set(window, known);
    return known;
  });
}

function checkShapes({ tokens, windows, mean, max }: SinkEvidence): void {
  for (const [name, table] of Object.entries({ mean, max })) {
    if (table.length !== windows.length || table.some((layer) => layer.length !== tokens.length)) {
      const came = `${table.length} layers of ${table[0]?.length ?? 0}`;
      throw new InputError(
        `sink tokens: ${name} must hold ${windows.length} layers of ${tokens.length} keys, got ${came}`,
      );
    }
  }
}

function tooShort(tokens: number): string {
  return `The page has ${tokens} tokens; under ${leastTokens} no sink is announced, because uniform attention alone lifts the first keys of a short text.`;
}
