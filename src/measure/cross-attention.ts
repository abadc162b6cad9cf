import { InputError } from '../error.ts';
import type { Fed } from '../models/feed.ts';
import type { AnyReduction, LayerOutput, Reductions } from '../models/layerwise.ts';
import type { Stack } from '../models/stack.ts';
import { Collection } from './collection.ts';
import type { Setting } from './measurement.ts';
import { measurement as attentionReceived } from './measurements/attention-received.ts';
import { measurement as effectiveKeys } from './measurements/effective-keys.ts';
import { measurement as entropy } from './measurements/entropy.ts';
import { packed } from './patterns.ts';
import { wholePattern } from './reductions.ts';
import type { CrossAttention, CrossPattern, TokenInfo } from './result.ts';
import { findSinkTokens } from './sink-tokens.ts';

const prefix = 'cross_';

/** Cells of all kept patterns together, where a square of the asked size would not hold a few queries of a long memory. */
const cells = 4e6;
const known = new Map<AnyReduction, AnyReduction>();

/** The same reduction of attention to the memory. */
function crossed(reduction: AnyReduction): AnyReduction {
  const before = known.get(reduction);
  if (before) return before;
  const other = { ...reduction, hook: `${prefix}${reduction.hook}` } as AnyReduction;
  known.set(reduction, other);
  return other;
}

/**
 * What is measured of a decoder's attention to what an encoder gave, on the page: queries T of the page, keys S of the memory, every key seen
 * by every query.
 */
export class CrossCollection {
  readonly reductions: Reductions;
  private readonly collection: Collection;
  private readonly samples: CrossPattern[] = [];
  private readonly T: number;
  private readonly S: number;
  private readonly layers: number;

  /** @param patterns queries and keys of a square that kept patterns may take; 0: none. */
  constructor(
    { blocks, sizes }: Stack,
    { T, S = 0 }: Fed,
    epsilons: readonly number[],
    private readonly patterns: number,
  ) {
    const windows = blocks.map(() => null);
    const setting: Setting = { ...{ tokens: T, keys: S, sizes, windows, epsilons }, causal: false };
    this.collection = new Collection([attentionReceived, effectiveKeys, entropy], setting);
    [this.T, this.S, this.layers] = [T, S, blocks.length];
    const all = { ...this.collection.reductions, ...(patterns > 0 ? { wholePattern } : {}) };
    this.reductions = Object.fromEntries(
      Object.entries(all).map(([name, reduction]) => [prefix + name, crossed(reduction)]),
    );
  }

  add(output: LayerOutput): void {
    const reduced = Object.fromEntries(
      Object.entries(output.reduced).flatMap(([name, value]) =>
        name.startsWith(prefix) ? [[name.slice(prefix.length), value]] : [],
      ),
    );
    this.collection.add({ ...output, reduced });
    const whole = reduced.wholePattern;
    if (!whole) return;
    const { T, S } = this;
    const H = whole.data.length / (T * S);
    // Few queries look at many keys: as many queries as there is room for.
    const square = 4 * this.patterns * this.patterns;
    const kept = Math.min(T, Math.floor(Math.max(square, cells / (this.layers * H)) / S));
    for (let head = 0; head < H && kept > 0; head++) {
      const values = packed(whole.data.subarray(head * T * S, head * T * S + kept * S));
      this.samples.push({ layer: output.layer, head, T: kept, S, values });
    }
  }

  /** Throws an InputError unless `keys` describes every position of the memory. */
  finish(keys: readonly TokenInfo[]): CrossAttention {
    const { S, T } = this;
    if (keys.length !== S)
      throw new InputError(`scan: expected a description of each of ${S} positions of the memory, got ${keys.length}`);
    const { windows, epsilons } = this.collection.setting;
    const { mean, max, perHead } = this.collection.found(attentionReceived);
    const hasPattern = mean.map((row) => row !== null);
    const evidence = { tokens: keys, windows, mean, max, queries: T, causal: false, hasPattern };
    const { sinks, strongest } = findSinkTokens({ ...evidence, epsilon: epsilons[0]! });
    const top = strongest ?? strongestOf(mean);
    return {
      keys: [...keys],
      received: mean.map((row) => row && Array.from(row)),
      top,
      topKey: perHead.map((row) => row && Array.from({ length: row.length / S }, (_, head) => row[head * S + top]!)),
      sinks,
      measured: this.collection.pictures({ top }),
      patterns: this.samples,
    };
  }
}

/** The key that receives most on the mean over layers: what stands out where there are too few queries to announce anything. */
function strongestOf(rows: readonly (ArrayLike<number> | null)[]): number {
  const seen = rows.filter((row) => row !== null);
  let [top, most] = [0, -1];
  for (let s = 0; s < (seen[0]?.length ?? 0); s++) {
    const sum = seen.reduce((total, row) => total + row[s]!, 0);
    if (sum > most) [top, most] = [s, sum];
  }
  return top;
}
