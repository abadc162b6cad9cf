import {
  add,
  concat,
  divide,
  equal,
  multiply,
  negate,
  type Size,
  select,
  sigmoid,
  slice,
  subtract,
  sum,
  type Tensor,
} from '../../tensor/index.ts';
import type { Queries } from '../steps.ts';
import type { MemoryNetwork, MemoryWeights } from './memory-network.ts';

/** What a memory is given of each token. */
export interface MemoryTokens {
  readonly q: Queries;
  readonly k: Tensor<'B' | 'T' | 'G' | 'D'>;
  readonly v: Tensor<'B' | 'T' | 'G' | 'D'>;
  /** θ, the size of the inner step. */
  readonly theta: Tensor<'B' | 'T' | 'G'>;
  /** Logits of η and of α, averaged over a chunk before the sigmoid. Absent: no momentum, no forgetting. */
  readonly eta?: Tensor<'B' | 'T' | 'G'> | undefined;
  readonly alpha?: Tensor<'B' | 'T' | 'G'> | undefined;
}

/** What a memory hands on from token to token. Absent parts are zero. */
export interface MemoryState {
  readonly weights: MemoryWeights;
  /** S: past surprise. */
  readonly momentum?: MemoryWeights | undefined;
  /** Σ θ ∇ℓ over the tokens of the unfinished chunk. */
  readonly surprise?: MemoryWeights | undefined;
  /** Sums of the logits over those tokens. */
  readonly eta?: Tensor<'B' | 'G'> | undefined;
  readonly alpha?: Tensor<'B' | 'G'> | undefined;
}

type Gate = Tensor<'B' | 'G'>;

const both = (a: MemoryWeights, b: MemoryWeights, join: (a: Tensor<string>, b: Tensor<string>) => Tensor<string>) =>
  Object.fromEntries(Object.entries(a).map(([name, value]) => [name, join(value, b[name]!)]));
const each = (a: MemoryWeights, change: (value: Tensor<string>) => Tensor<string>): MemoryWeights =>
  Object.fromEntries(Object.entries(a).map(([name, value]) => [name, change(value)]));
const scaled = (a: MemoryWeights, by: Gate) => each(a, (value) => multiply(value, by as unknown as Tensor<string>));

/** S ← η S − Σ θ ∇ℓ, M ← (1 − α) M + S: the end of a chunk. */
function update({ weights, momentum, surprise, eta, alpha }: MemoryState, chunk: number): MemoryState {
  const pushed = each(surprise!, negate);
  const gate = (logits: Gate) => sigmoid(multiply(logits, 1 / chunk));
  const next = momentum && eta ? both(scaled(momentum, gate(eta)), pushed, add) : pushed;
  const kept = alpha ? scaled(weights, subtract(1, gate(alpha))) : weights;
  return { weights: both(kept, next, add), momentum: eta ? next : undefined };
}

/** The state with some more tokens of its chunk taken in: gradients at the weights of the chunk's start. */
function take(network: MemoryNetwork, state: MemoryState, { k, v, theta, eta, alpha }: Omit<MemoryTokens, 'q'>) {
  const fresh = network.surprise(state.weights, k, v, theta);
  const more = (before: Gate | undefined, now: Tensor<'B' | 'T' | 'G'> | undefined) =>
    now && (before ? add(before, sum(now, 'T')) : sum(now, 'T'));
  return {
    ...state,
    surprise: state.surprise ? both(state.surprise, fresh, add) : fresh,
    ...{ eta: more(state.eta, eta), alpha: more(state.alpha, alpha) },
  };
}

export interface MemoriseOptions {
  readonly chunk: number;
  /** Number of the first token, and how many there are. */
  readonly start: number;
  readonly length: number;
  /** Before token `at`, which begins a chunk, the state becomes `to`. Default: never. */
  readonly reset?: { readonly at: number; readonly to: MemoryState } | undefined;
}

/**
 * Reads and learns T tokens, the first of them number `start` of the text. Chunks are unrolled. Within one all gradients are taken at the
 * weights of its start; a token reads from the weights after the last chunk that ended at or before it. With chunk 1:
 * S_t = η_t S_{t−1} − θ_t ∇ℓ(M_{t−1}; x_t), M_t = (1 − α_t) M_{t−1} + S_t, read M_t(q_t).
 */
export function memorise(
  network: MemoryNetwork,
  given: MemoryState,
  tokens: MemoryTokens,
  { chunk, start, length, reset }: MemoriseOptions,
): { readonly reads: Queries; readonly state: MemoryState } {
  const reads: Queries[] = [];
  let state = given;
  let unread = 0;
  const readUntil = (end: number) => {
    if (end > unread) reads.push(network.read(state.weights, slice(tokens.q, 'T', unread, end)));
    unread = end;
  };
  for (let from = 0; from < length; ) {
    const room = chunk - ((start + from) % chunk);
    const end = Math.min(length, from + room);
    state = take(network, state, part(tokens, from, end));
    if (end - from === room) {
      readUntil(end - 1);
      state = update(state, chunk);
    }
    if (start + end === reset?.at) {
      readUntil(end);
      state = reset.to;
    }
    from = end;
  }
  readUntil(length);
  return { reads: concat(reads, 'T'), state };
}

function part({ k, v, theta, eta, alpha }: MemoryTokens, from: Size, to: Size): Omit<MemoryTokens, 'q'> {
  const cut = <A extends string>(x: Tensor<A | 'T'>) => slice(x, 'T', from, to);
  return { k: cut(k), v: cut(v), theta: cut(theta), eta: eta && cut(eta), alpha: alpha && cut(alpha) };
}

/**
 * One token, number `position` of the text (int64, known only when run): the same recurrence with a state of fixed size, in which every
 * part is present and has B.
 */
export function memoriseToken(
  network: MemoryNetwork,
  state: MemoryState,
  token: MemoryTokens,
  position: Tensor<never>,
  chunk: number,
): { readonly reads: Queries; readonly state: MemoryState } {
  const within = take(network, state, token);
  const ended = update(within, chunk);
  const count = add(position, 1);
  const ends = equal(multiply(divide(count, chunk), chunk), count) as unknown as Tensor<string>;
  const choose = (yes: MemoryWeights, no: MemoryWeights) => both(yes, no, (a, b) => select(ends, a, b));
  const cleared = (logits: Gate | undefined) =>
    logits && (select(ends, 0, logits as unknown as Tensor<string>) as unknown as Gate);
  const next: MemoryState = {
    weights: choose(ended.weights, state.weights),
    ...(ended.momentum && state.momentum ? { momentum: choose(ended.momentum, state.momentum) } : {}),
    surprise: each(within.surprise, (value) => select(ends, 0, value)),
    ...{ eta: cleared(within.eta), alpha: cleared(within.alpha) },
  };
  return { reads: network.read(next.weights, token.q), state: next };
}
