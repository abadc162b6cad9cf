import { InputError } from '../error.ts';
import { uniformByLayer } from './layer-visibility.ts';
import type { Setting } from './measurement.ts';
import type { SinkToken, TokenInfo } from './result.ts';
import { largestCosine, type Primary, type TurnedToken } from './secondary-detector.ts';
import type { UniformAttention } from './uniform.ts';

/** Keys seen by fewer queries are left out, and so are layers whose window shows a key to fewer: their means rest on too little. */
export const leastQueries = 32;

/**
 * Below this length nothing is announced. 64 under a causal mask, where uniform attention alone lifts the first keys of short texts above
 * common thresholds; in bidirectional attention it gives every key 1 / S, and 32 queries are enough.
 */
export const leastTokens = (causal: boolean) => (causal ? 64 : leastQueries);

/** Less than this above uniform attention is the rounding of float32. */
const rounding = 1e-6;

export interface SinkEvidence extends Pick<Setting, 'windows' | 'causal' | 'hasPattern'> {
  /** [S] the page, unpadded. */
  readonly tokens: readonly TokenInfo[];
  /** Queries T, where keys are of another text. Default S. */
  readonly queries?: number;
  /** [L][S] attention received (`receivedByKey`): mean over heads, and the largest over heads; null for layers without a pattern. */
  readonly mean: readonly (ArrayLike<number> | null)[];
  readonly max: readonly (ArrayLike<number> | null)[];
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
  const { tokens, windows, epsilon = 0.3, causal = true, residual } = evidence;
  const S = tokens.length;
  const T = evidence.queries ?? S;
  checkShapes(evidence);
  const uniform = uniformByLayer({ ...evidence, tokens: T, keys: S });
  const candidates: SinkToken[] = [];
  let strongest: { position: number; excess: number } | null = null;
  for (const [position, token] of tokens.entries()) {
    const queries = causal ? S - position : T;
    if (queries < leastQueries) break;
    const { received, excess } = overLayers(evidence.mean, uniform, position);
    if (strongest === null || excess > strongest.excess) strongest = { position, excess };
    const layers = windows.flatMap((_, l) => {
      const own = uniform[l];
      if (!own) return [];
      const { queries: seenBy, received: baseline } = own;
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
  if (T < leastTokens(causal)) return { sinks: [], strongest: top, notes: [tooShort(T, causal)] };
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

/** Means over the layers in which any other query sees the key. */
function overLayers(mean: SinkEvidence['mean'], uniform: readonly (UniformAttention | null)[], position: number) {
  let layers = 0;
  let received = 0;
  let baseline = 0;
  for (const [l, own] of uniform.entries()) {
    if (!own || own.receivedQueries[position] === 0) continue;
    layers++;
    received += mean[l]![position]!;
    baseline += own.received[position]!;
  }
  return layers === 0
    ? { received: 0, excess: 0 }
    : { received: received / layers, excess: (received - baseline) / layers };
}

function checkShapes({ tokens, windows, hasPattern, mean, max }: SinkEvidence): void {
  for (const [name, table] of Object.entries({ mean, max })) {
    const fits = (layer: ArrayLike<number> | null, l: number) =>
      hasPattern?.[l] === false || layer?.length === tokens.length;
    if (table.length !== windows.length || !table.every(fits)) {
      const came = `${table.length} layers of ${table[0]?.length ?? 0}`;
      throw new InputError(
        `sink tokens: ${name} must hold ${windows.length} layers of ${tokens.length} keys, got ${came}`,
      );
    }
  }
}

function tooShort(tokens: number, causal: boolean): string {
  const why = causal
    ? 'because uniform attention alone lifts the first keys of a short text'
    : 'because every mean would be over too few queries';
  return `The page has ${tokens} tokens; under ${leastTokens(causal)} no sink is announced, ${why}.`;
}
