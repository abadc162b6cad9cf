import type { Tensor } from '../tensor/index.ts';
import type { AttentionTap } from './layer.ts';
import type { Places } from './places.ts';

export type Queries = Tensor<'B' | 'T' | 'G' | 'R' | 'D'>;
export type Keys = Tensor<'B' | 'S' | 'G' | 'D'>;
export type Values = Tensor<'B' | 'S' | 'G' | 'D'>;
export type Scores = Tensor<'B' | 'G' | 'R' | 'T' | 'S'>;
export type Stream = Tensor<'B' | 'T' | 'M'>;

/** Attention weights, and what they leave to a learned sink and to compressed entries: rows + sink + compressed = 1. */
export interface Normalised {
  readonly pattern: Scores;
  readonly sink?: Tensor<'B' | 'G' | 'R' | 'T'>;
  /** Weights of compressed entries, each at the last of the tokens that it was made of. */
  readonly compressed?: Scores;
}

/**
 * Attention as five replaceable steps: scores → mask → normaliser → mix → output. A mechanism replaces the steps it changes
 * (`{ ...softmaxSteps(options), normalise: learnedSink(logits) }`).
 */
export interface AttentionSteps {
  /** Scaled scores of queries and keys, after RoPE and head norms. */
  scores(q: Queries, k: Keys): Scores;
  /** Masks and biases: −∞ where a query must not look. */
  mask(scores: Scores, places: Places): Scores;
  /** `heads`: the key/value heads that the scores are of, where they are not all. */
  normalise(scores: Scores, heads?: readonly number[]): Normalised;
  /** Values gathered by the weights, per head; `sink` and `compressed` are what the normaliser left to them, after edits. */
  mix(pattern: Scores, v: Values, sink?: Tensor<'B' | 'G' | 'R' | 'T'>, compressed?: Scores): Queries;
  /** Gate, norm and projection back to the residual stream. */
  output(z: Queries): Stream;
  /** The first four steps in one operator, where the mechanism permits: used when nothing inside is watched. */
  readonly fused?: (q: Queries, k: Keys, v: Values, places: Places) => Queries;
}

/** What the steps of a layer may look at beside what each is handed: for gates, learned keys and scores made of values. */
export interface AttentionGiven {
  /** Normalised stream along the queries. */
  readonly x: Stream;
  /** After RoPE and head norms. */
  readonly q: Queries;
  readonly k: Keys;
  readonly v: Values;
  /** What else the layer made along the keys. */
  readonly more?: Readonly<Record<string, Keys>>;
  /** Normalised stream of the block that this one looks back to, along the queries. */
  readonly earlier?: Stream;
  readonly places: Places;
  readonly hook: AttentionTap;
}

/** Added to the scores by a position encoding (ALiBi, relative positions), before the mask. */
export type ScoreBias = (scores: Scores, places: Places) => Scores;
