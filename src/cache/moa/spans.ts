import { type SpanRule, spanOf } from './rules.ts';

/**
 * Whether a span counts the sink block: `cache`, as caches are sized (the block is part of it), or `mask`, as masks are profiled in the
 * published code (the block comes on top). Plans, budgets and the policy read spans in one way; `cache` by default.
 */
export type SpanReading = 'cache' | 'mask';

export interface SpanUnits {
  /** Tokens of a block, and of the sinks. Default 64. */
  readonly block?: number;
  readonly reading?: SpanReading;
}

/** Entries that a head keeps on a text of N tokens, sink block included: whole blocks, at least one beside the sinks. */
export function cacheSize(rule: SpanRule, length: number, { block = 64, reading = 'cache' }: SpanUnits = {}): number {
  if (reading === 'cache') return block * Math.max(2, Math.ceil(spanOf(rule, length) / block));
  const blocks = Math.ceil(length / block);
  const band = Math.trunc(Math.floor(rule.alpha / block) + rule.beta * blocks + 1e-6);
  return block * (1 + Math.min(blocks, Math.max(1, band)));
}

/** Key blocks that a query block sees, itself included, beside the sink block. */
export function bandBlocks(rule: SpanRule, length: number, units: SpanUnits = {}): number {
  return cacheSize(rule, length, units) / (units.block ?? 64) - 1;
}

/** May queries of block I see keys of block J? Inside a block, each sees those before it. */
export const seesBlock = (I: number, J: number, band: number): boolean => J <= I && (J === 0 || I - J < band);

/** Largest share of key blocks that any query block sees, 0 to 1: what a budget limits. */
export function density(rule: SpanRule, length: number, units: SpanUnits = {}): number {
  const blocks = Math.ceil(length / (units.block ?? 64));
  return Math.min(blocks, 1 + bandBlocks(rule, length, units)) / blocks;
}
