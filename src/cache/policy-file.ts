import type { DecoderSizes } from '../models/decoder.ts';
import type { HeadGates } from './policies/duo-attention.ts';
import type { CachePolicy, PositionRule } from './policy.ts';

/** What a person asks of a policy by name: how many entries, and which are sinks. */
export interface PolicyRequest {
  /** Entries that each head may keep, sinks included. */
  readonly capacity: number;
  /** Tokens at the start that stay, where the policy has such. Default: the policy's own. */
  readonly sinks?: number;
  /** Default: as published. */
  readonly positions?: PositionRule;
  /** Longest text to come, for heads and times that evict nothing. Default: the policy's own. */
  readonly longest?: number;
  /** How prompts are read, where attention decides. Default `one by one` where the policy can. */
  readonly prompt?: 'whole' | 'one by one';
  /** Indices in the text of tokens that always stay, where attention decides (secondary sinks). Default none. */
  readonly protect?: readonly number[];
  /** Which heads retrieve, for policies that are told. */
  readonly gates?: HeadGates;
  /** A span rule for every head, as JSON, for policies that are told; it is checked. */
  readonly plan?: unknown;
  readonly sizes: DecoderSizes;
}

/** What a policy file exports for the command, the comparison and the docs. */
export interface PolicyFile {
  /** As it is called on the command line: `streaming-llm`. */
  readonly name: string;
  readonly title: string;
  /** arXiv id. */
  readonly source: string;
  /** The idea, one or two sentences. */
  readonly idea: string;
  /** A policy of about `capacity` entries a head. Throws an InputError where the request does not fit. */
  make(request: PolicyRequest): CachePolicy;
}
