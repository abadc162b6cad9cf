import { InputError } from '../../error.ts';
import type { BankLayout } from '../layout.ts';
import type { CachePolicy } from '../policy.ts';
import type { PolicyFile } from '../policy-file.ts';
import { besideSinks, checkSizes } from '../policy-sizes.ts';

/** Gates α of the key/value heads, [L, G], from 0 (streaming) to 1 (retrieval). */
export type HeadGates = readonly (readonly number[])[];

export interface DuoAttentionOptions {
  readonly gates: HeadGates;
  /** Heads with α from here on are retrieval heads. Default: as `sparsity` says. */
  readonly threshold?: number;
  /** Share of heads that only stream: α below this quantile. Default 0.5, as published for grouped heads; 0.75 where every query head has its own. */
  readonly sparsity?: number;
  /** Room of retrieval heads, which keep everything: longest text. */
  readonly capacity: number;
  /** First tokens that streaming heads keep. Default 64. */
  readonly sinks?: number;
  /** Last tokens that streaming heads keep. Default 256. */
  readonly recent?: number;
}

/**
 * DuoAttention, 2410.10819, with given gates: retrieval heads keep everything, the others `sinks` first and `recent` last tokens. Keys keep
 * their positions in the text; eviction follows the forward pass, as in StreamingLLM.
 *
 * Throws an InputError for gates that are not numbers from 0 to 1 or do not fit the model, for a threshold beside a sparsity, and for
 * sizes that are no whole numbers.
 */
export function duoAttention(options: DuoAttentionOptions): CachePolicy {
  const { gates, capacity, sinks = 64, recent = 256 } = options;
  checkSizes('duo-attention', 1, { capacity, recent });
  checkSizes('duo-attention', 0, { sinks });
  const retrieval = retrievalHeads(gates, options);
  const all = retrieval.flat();
  const kept = all.filter(Boolean).length;
  // Only tables that some head uses.
  const tables = [
    ...(kept > 0 ? [{ pinned: 0, entries: capacity }] : []),
    ...(kept < all.length ? [{ pinned: sinks, entries: recent }] : []),
  ];
  const streaming = kept > 0 ? 1 : 0;
  return {
    name: `duo-attention: ${kept} of ${all.length} heads whole, others ${sinks} + ${recent}`,
    source: '2410.10819',
    keeps: `everything in ${kept} of ${all.length} key/value heads; in the others the first ${sinks} tokens and the last ${recent}`,
    decides: 'after every token; it ends when the room of the retrieval heads is used up',
    positions: 'absolute',
    layout: ({ L, G }) => {
      if (gates.length !== L || gates.some((layer) => layer.length !== G))
        throw new InputError(
          `duo-attention: expected gates of ${L} layers with ${G} key/value heads each, got ${gates.length} layers with ${[...new Set(gates.map((layer) => layer.length))].join(' or ')}`,
        );
      return { tables, layers: retrieval.map((heads) => banksOf(heads, streaming)) };
    },
    lastQuery: (token, table) => (table !== streaming || token < sinks ? Number.POSITIVE_INFINITY : token + recent),
  };
}

/** Banks of one layer: its retrieval heads with table 0, its streaming heads with another. */
function banksOf(retrieval: readonly boolean[], streaming: number): readonly BankLayout[] {
  const heads = (wanted: boolean) => retrieval.flatMap((is, head) => (is === wanted ? [head] : []));
  if (retrieval.every(Boolean)) return [{ table: 0 }];
  if (!retrieval.some(Boolean)) return [{ table: streaming }];
  return [
    { heads: heads(true), table: 0 },
    { heads: heads(false), table: streaming },
  ];
}

/**
 * Which heads keep everything: α at or above the threshold, or above the quantile of all α that `sparsity` names (between two heads
 * rounded to the higher; of equal gates the first heads keep everything, where the paper's code breaks ties with noise).
 */
export function retrievalHeads(
  gates: HeadGates,
  { threshold, sparsity }: { readonly threshold?: number; readonly sparsity?: number } = {},
): boolean[][] {
  if (threshold !== undefined && sparsity !== undefined)
    throw new InputError('duo-attention: expected a threshold or a sparsity, got both');
  const wanted = threshold ?? sparsity ?? 0.5;
  if (!(wanted >= 0 && wanted <= 1))
    throw new InputError(
      `duo-attention: expected ${threshold === undefined ? 'sparsity' : 'threshold'} from 0 to 1, got ${wanted}`,
    );
  gates.forEach((layer, l) => {
    layer.forEach((gate, g) => {
      if (!(gate >= 0 && gate <= 1))
        throw new InputError(`duo-attention: layer ${l}, head ${g}: expected a gate from 0 to 1, got ${gate}`);
    });
  });
  if (threshold !== undefined) return gates.map((layer) => layer.map((gate) => gate >= threshold));
  const heads = gates.flatMap((layer, l) => layer.map((gate, g) => ({ gate, l, g })));
  const whole = wanted === 1 ? 0 : heads.length - Math.ceil(wanted * (heads.length - 1));
  // Sorting is stable: equal gates stay in the order of the heads.
  const chosen = heads.sort((a, b) => b.gate - a.gate).slice(0, whole);
  const result = gates.map((layer) => layer.map(() => false));
  for (const { l, g } of chosen) result[l]![g] = true;
  return result;
}

export const policyFile: PolicyFile = {
  name: 'duo-attention',
  title: 'DuoAttention',
  source: '2410.10819',
  idea: 'A few retrieval heads keep everything; all others keep sinks and recent tokens. Trained gates say which heads are which.',
  make: ({ capacity, gates, longest = capacity, positions = 'absolute', sinks }) => {
    if (!gates)
      throw new InputError(
        'duo-attention: expected gates, a number from 0 to 1 for every key/value head of every layer, got none',
      );
    if (positions !== 'absolute')
      throw new InputError(
        `duo-attention: expected positions absolute, as its gates are trained with, got ${positions}`,
      );
    checkSizes('duo-attention', 2, { capacity });
    // Of 320 entries that is 64 + 256, as published; smaller caches in that proportion.
    const first = sinks ?? Math.min(64, Math.floor(capacity / 5));
    const recent = besideSinks('duo-attention', capacity, first);
    return duoAttention({ gates, capacity: longest, sinks: first, recent });
  },
};
