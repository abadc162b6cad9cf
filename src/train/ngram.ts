import { InputError } from '../error.ts';
import { GramTable, sortedEnds } from './ngram-sort.ts';

export interface NgramOptions {
  /** n, 1 to 8; default 5. */
  readonly order?: number;
  /** V: ids are below it; at most 4,000,000. */
  readonly vocabularySize: number;
}

export interface NgramResult {
  /** exp of the mean negative log-likelihood. */
  readonly perplexity: number;
  /** Mean negative log-likelihood of a token, in nats. */
  readonly loss: number;
  /** Tokens predicted. */
  readonly tokens: number;
  readonly order: number;
  /** D₁, D₂, D₃ of each order, from 1. */
  readonly discounts: readonly Discounts[];
}

type Discounts = readonly [number, number, number];

/**
 * Perplexity of a text under an n-gram model of another: interpolated modified Kneser–Ney (Chen & Goodman 1998), the usual baseline of a language
 * model. Each token is predicted from the n − 1 before it; before the first there is a symbol that is no token.
 *
 * p_k(w | h) = max(a(hw) − D(a(hw)), 0) / Σ_w a(hw) + γ(h) · p_{k−1}(w | h'), p_0 = 1/V; a: the count for k = n, below it the number of different
 * tokens seen in front; D by a = 1, 2, ≥ 3; γ(h) makes the sum over the vocabulary 1. An unseen context h leaves p_{k−1}.
 *
 * Time grows with n · tokens. Memory: 10 to 14 bytes per training token (not per n-gram), about 60 bytes · n per token to predict.
 *
 * @throws InputError for an empty text, an id outside the vocabulary, or an option outside its range.
 */
export function ngramPerplexity(
  train: ArrayLike<number>,
  validation: ArrayLike<number>,
  options: NgramOptions,
): NgramResult {
  const { logProbabilities, order, discounts } = ngramLogProbabilities(train, validation, options);
  const loss = -logProbabilities.reduce((sum, value) => sum + value, 0) / logProbabilities.length;
  return { perplexity: Math.exp(loss), loss, tokens: logProbabilities.length, order, discounts };
}

/** Natural logarithm of each token's probability under the model of `ngramPerplexity`. */
export function ngramLogProbabilities(
  train: ArrayLike<number>,
  validation: ArrayLike<number>,
  { order = 5, vocabularySize }: NgramOptions,
): { readonly logProbabilities: Float64Array; readonly order: number; readonly discounts: readonly Discounts[] } {
  if (!Number.isInteger(order) || order < 1 || order > 8)
    throw new InputError(`n-gram, order: expected an integer from 1 to 8, got ${order}`);
  if (!Number.isInteger(vocabularySize) || vocabularySize < 1 || vocabularySize > 4_000_000)
    throw new InputError(`n-gram, vocabularySize: expected an integer from 1 to 4000000, got ${vocabularySize}`);
  const known = pad(train, order, vocabularySize, 'train');
  const asked = pad(validation, order, vocabularySize, 'validation');
  const levels = Array.from({ length: order }, (_, below) => new Level(asked, below + 1, order - 1));
  countGrams(known, sortedEnds(known, order, vocabularySize + 1), levels);

  const logProbabilities = new Float64Array(validation.length).fill(1 / vocabularySize);
  for (const level of levels) level.interpolate(logProbabilities);
  return {
    logProbabilities: logProbabilities.map(Math.log),
    order,
    discounts: levels.map((level) => level.discounts()),
  };
}

/** What is known of the k-grams and their contexts that occur in the text to predict; only those are kept. */
class Level {
  readonly #grams: GramTable;
  readonly #contexts: GramTable;
  /** Numbers of the k-gram and the context at each token. */
  readonly #gramAt: Int32Array;
  readonly #contextAt: Int32Array;
  /** a of each k-gram. */
  readonly #counts: Float64Array;
  /** Σ_w a(hw) of each context, and for how many w a is 1, 2, ≥ 3. */
  readonly #totals: Float64Array;
  readonly #kinds: Int32Array;
  /** Different k-grams of the training text with a = 1, 2, 3, 4. */
  readonly #countsOfCounts = [0, 0, 0, 0];

  constructor(asked: Uint16Array | Uint32Array, k: number, offset: number) {
    const size = asked.length - offset;
    this.#grams = new GramTable(asked, k, size);
    this.#contexts = new GramTable(asked, k - 1, size);
    this.#gramAt = Int32Array.from({ length: size }, (_, i) => this.#grams.add(i + offset));
    this.#contextAt = Int32Array.from({ length: size }, (_, i) => this.#contexts.add(i + offset - 1));
    this.#counts = new Float64Array(this.#grams.size);
    this.#totals = new Float64Array(this.#contexts.size);
    this.#kinds = new Int32Array(3 * this.#contexts.size);
  }

  /** Takes note of a k-gram of the training text, once. */
  note(known: Uint16Array | Uint32Array, end: number, a: number): void {
    if (a <= 4) this.#countsOfCounts[a - 1]! += 1;
    const context = this.#contexts.find(known, end - 1);
    if (context < 0) return;
    this.#totals[context]! += a;
    this.#kinds[3 * context + Math.min(a, 3) - 1]! += 1;
    const gram = this.#grams.find(known, end);
    if (gram >= 0) this.#counts[gram] = a;
  }

  /** Each discount lies within 0 … its count; texts too small to tell take 0.5, 1, 1.5. */
  discounts(): Discounts {
    const [n1, n2, n3, n4] = this.#countsOfCounts as [number, number, number, number];
    const y = n1 / (n1 + 2 * n2);
    const found = [1 - (2 * y * n2) / n1, 2 - (3 * y * n3) / n2, 3 - (4 * y * n4) / n3] as const;
    return found.every((discount, i) => discount >= 0 && discount <= i + 1) ? found : [0.5, 1, 1.5];
  }

  /** p_{k−1} of each token becomes p_k. */
  interpolate(probabilities: Float64Array): void {
    const discounts = this.discounts();
    for (let i = 0; i < probabilities.length; i++) {
      const context = this.#contextAt[i]!;
      const total = this.#totals[context]!;
      if (total === 0) continue;
      const a = this.#counts[this.#gramAt[i]!]!;
      const own = a === 0 ? 0 : a - discounts[Math.min(a, 3) - 1]!;
      let kept = 0;
      for (let kind = 0; kind < 3; kind++) kept += discounts[kind]! * this.#kinds[3 * context + kind]!;
      probabilities[i] = (own + kept * probabilities[i]!) / total;
    }
  }
}

/** One pass over the sorted n-grams: a k-gram's own ones stand together, parted by the token in front of it. */
function countGrams(known: Uint16Array | Uint32Array, ends: Int32Array, levels: readonly Level[]): void {
  const n = levels.length;
  // Of the open k-gram: different (k + 1)-grams that end with it, for k = n its occurrences.
  const counts = new Float64Array(n + 1);
  const close = (end: number, shared: number) => {
    for (let k = n; k > shared; k--) {
      levels[k - 1]!.note(known, end, counts[k]!);
      counts[k] = 0;
      counts[k - 1]! += 1;
    }
  };
  for (let i = 0; i < ends.length; i++) {
    const end = ends[i]!;
    if (i > 0) {
      const before = ends[i - 1]!;
      let shared = 0;
      while (shared < n && known[end - shared] === known[before - shared]) shared += 1;
      close(before, shared);
    }
    counts[n]! += 1;
  }
  close(ends[ends.length - 1]!, 0);
}

/** n − 1 symbols V in front, so that the first tokens have contexts as well. */
function pad(ids: ArrayLike<number>, order: number, V: number, name: string): Uint16Array | Uint32Array {
  if (ids.length === 0) throw new InputError(`n-gram, ${name}: expected at least one token, got none`);
  const length = ids.length + order - 1;
  const padded = (V < 65_536 ? new Uint16Array(length) : new Uint32Array(length)).fill(V, 0, order - 1);
  for (let i = 0; i < ids.length; i++) {
    const id = ids[i]!;
    if (!(Number.isInteger(id) && id >= 0 && id < V))
      throw new InputError(`n-gram, ${name}: token ${i} is ${id}, the vocabulary has ids 0 to ${V - 1}`);
    padded[i + order - 1] = id;
  }
  return padded;
}
