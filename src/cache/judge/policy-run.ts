import type { PositionRule } from '../policy.ts';
import type { NeedleAnswer } from './needle-answers.ts';

/** Tokens of the text with a name: `system prompt`, tokens `from` up to but not including `to`. */
export interface Span {
  readonly label: string;
  readonly from: number;
  readonly to: number;
}

/** When a span left the cache, as the index of the first token that does not see it; null: never. */
export interface SpanLoss extends Span {
  /** The first of its tokens left one of the caches of a layer and head. */
  readonly firstLost: number | null;
  /** The last of its tokens left the last of them. */
  readonly allLost: number | null;
}

/** Tokens from `from` up to but not including `to` are held by this share of the caches of all layers and heads, to tenths, never 0. */
export type KeptRun = [from: number, to: number, share: number];

/** What came of one policy over a text. Token indices count from the text's first token; what stands in front of it is negative. */
export interface PolicyRun {
  /** As it was asked for: `streaming-llm:4`. */
  readonly label: string;
  /** With its sizes. */
  readonly name: string;
  readonly source: string;
  readonly keeps: string;
  readonly decides: string;
  readonly positions: PositionRule;
  /** Newline tokens put in front of the text. */
  readonly newlines: number;
  /** −log p of every token in nats; null: not predicted (the first, those after the end, those between samples) or not finite. */
  readonly losses: (number | null)[];
  /** Index of the token that could not be read any more, and why. */
  readonly ended: { readonly at: number; readonly why: string } | null;
  /** Bytes of the keys and values that are held when this token comes. */
  readonly bytes: [at: number, bytes: number][];
  /** Most bytes that the cache took, with the room that is free and copies for turning keys. */
  readonly allocated: number;
  /** Median milliseconds of one token, of a stretch that begins at this token. */
  readonly times: [at: number, milliseconds: number][];
  readonly kept: { readonly at: number; readonly runs: KeptRun[] }[];
  readonly left: SpanLoss[];
  readonly needles: NeedleAnswer[];
  readonly notes: string[];
  readonly seconds: number;
}
