import { InputError } from '../../error.ts';
import type { BankLayout } from '../layout.ts';
import { checkPlan, parseSpanPlan, type SpanPlan, uniformPlan } from '../moa/plan.ts';
import { bandBlocks, cacheSize } from '../moa/spans.ts';
import type { CachePolicy, PositionRule } from '../policy.ts';
import type { PolicyFile } from '../policy-file.ts';
import { besideSinks, checkSizes } from '../policy-sizes.ts';

export interface MoaOptions {
  readonly plan: SpanPlan;
  /** Length of text that spans are taken at, with what will be generated. Longer texts go on with the same spans. */
  readonly length: number;
  /**
   * `token`: a head's recent entries are those before each query, as in generation. `block`: a block sees whole blocks, as in masks that are
   * profiled. Default `token`.
   */
  readonly granularity?: 'token' | 'block';
  /** First tokens that every head keeps. Default one block; another number is a control: what is left of a head's span stays the same. */
  readonly sinks?: number;
  /** Default `absolute`, as published. */
  readonly positions?: PositionRule;
}

/**
 * MoA, mixture of attention spans, 2406.14909: every key/value head keeps the first block and as many recent tokens as its rule
 * alpha + beta · N gives. Heads of one layer with the same span are one bank; spans that agree share their tables over layers. A query sees
 * the entries and itself.
 *
 * Throws an InputError for a plan that is none or of another model, and for sizes that are no whole numbers.
 */
export function moa({ plan, length, granularity = 'token', sinks, positions = 'absolute' }: MoaOptions): CachePolicy {
  const { block, reading, rules } = parseSpanPlan(plan);
  const first = sinks ?? block;
  checkSizes('moa', 1, { length });
  checkSizes('moa', 0, { sinks: first });
  const recentOf = (rule: SpanPlan['rules'][0][0]) => bandBlocks(rule, length, { block, reading }) * block;
  const recent = rules.map((heads) => heads.map(recentOf));
  const sizes = [...new Set(recent.flat())].sort((a, b) => a - b);
  const mean = recent.flat().reduce((sum, entries) => sum + first + entries, 0) / recent.flat().length;
  return {
    name: `moa: ${first} + ${sizes.length === 1 ? sizes[0] : `${sizes[0]} to ${sizes.at(-1)}, mean ${Math.round(mean)} at ${length}`}`,
    source: '2406.14909',
    keeps: `the first ${first} tokens, and in every key/value head its own number of last ones: ${sizes.join(', ')}`,
    decides: granularity === 'token' ? 'after every token' : `after every block of ${block} tokens`,
    positions,
    layout: (of) => {
      checkPlan(plan, of);
      return {
        tables: sizes.map((entries) => ({ pinned: first, entries })),
        layers: recent.map((heads) => banksOf(heads, sizes)),
      };
    },
    lastQuery: (token, table) => {
      if (token < first) return Number.POSITIVE_INFINITY;
      const entries = sizes[table]!;
      return granularity === 'token' ? token + entries : Math.floor(token / block) * block + entries - 1;
    },
  };
}

/** Heads of one layer by their number of recent entries; table i holds those of `sizes[i]`. */
function banksOf(recent: readonly number[], sizes: readonly number[]): readonly BankLayout[] {
  const used = [...sizes.entries()].filter(([, entries]) => recent.includes(entries));
  if (used.length === 1) return [{ table: used[0]![0] }];
  return used.map(([table, entries]) => ({
    heads: recent.flatMap((of, head) => (of === entries ? [head] : [])),
    table,
  }));
}

/** Mean entries of all heads at a length, sinks included. */
export function meanSpan({ block, reading, rules }: SpanPlan, length: number): number {
  const all = rules.flat().map((rule) => cacheSize(rule, length, { block, reading }));
  return all.reduce((a, b) => a + b, 0) / all.length;
}

/** The longest text, up to `longest`, at which a plan's mean span is within a capacity. */
function lengthWithin(plan: SpanPlan, capacity: number, longest: number): number {
  if (meanSpan(plan, 1) > capacity)
    throw new InputError(
      `moa: the plan's spans are ${meanSpan(plan, 1)} tokens on average at the least, and the capacity is ${capacity}; take a larger capacity, or another plan`,
    );
  let [low, high] = [1, longest];
  while (low < high) {
    const middle = Math.ceil((low + high) / 2);
    if (meanSpan(plan, middle) <= capacity) low = middle;
    else high = middle - 1;
  }
  return low;
}

/** With a plan, its spans at the longest text at which their mean is within the capacity; else one span for all heads. */
export const policyFile: PolicyFile = {
  name: 'moa',
  title: 'MoA: a span for every head',
  source: '2406.14909',
  idea: 'Every head has a span of recent tokens of its own, searched so that the loss suffers least for the memory; all keep the first block.',
  make: ({ capacity, sinks, positions, plan, longest, sizes }) => {
    checkSizes('moa', 2, { capacity });
    const where = positions ? { positions } : {};
    if (plan !== undefined) {
      const of = parseSpanPlan(plan);
      const length = lengthWithin(of, capacity, longest ?? sizes.maxPositions);
      return moa({ plan: of, length, ...where, ...(sinks === undefined ? {} : { sinks }) });
    }
    const first = sinks ?? Math.min(64, Math.floor(capacity / 4));
    // Blocks of one token, one of them for the sinks: capacity − sinks recent ones.
    const span = { alpha: besideSinks('moa', capacity, first) + 1, beta: 0 };
    const length = Math.max(capacity + 1, longest ?? sizes.maxPositions);
    return moa({ plan: uniformPlan(sizes, span, { block: 1 }), length, sinks: first, ...where });
  },
};
