import { InputError } from '../../error.ts';
import { activations } from '../../layers/activations.ts';
import { linear } from '../../layers/linear.ts';
import { rmsNorm } from '../../layers/norms.ts';
import {
  type Axes,
  add,
  divide,
  multiply,
  roll,
  sigmoid,
  size,
  sqrt,
  sum,
  type Tensor,
  weight,
} from '../../tensor/index.ts';
import { depthwise, lastOf, withPast } from '../convolutions/causal-convolution.ts';
import type { HeadSizes } from '../projections.ts';
import type { Queries, Stream } from '../steps.ts';
import { type MemoryNetwork, type MemoryNetworkOptions, memoryNetwork } from './memory-network.ts';
import { type MemoryState, type MemoryTokens, memorise, memoriseToken } from './memory-recurrence.ts';

export interface NeuralMemoryOptions extends MemoryNetworkOptions {
  /** Tokens whose inner gradients share one base and whose η and α are one number. Default 4. */
  readonly chunk?: number;
  /** Largest θ. Default 0.1. */
  readonly maximumStep?: number;
  /** Does past surprise carry over (η)? Default true. */
  readonly momentum?: boolean;
  /** Does the memory forget (α)? Default true. */
  readonly forgetting?: boolean;
  /** Is anything learnt while reading? Default true; false is the control θ = 0, where M stays M_0. */
  readonly learning?: boolean;
  /** A control for whole texts: before this token of the memory, which has to begin a chunk, everything learnt is dropped. Default: never. */
  readonly reset?: number;
  /** A control for whole texts: is every key learnt with the value of a token far from it? Default false. */
  readonly shuffled?: boolean;
  /** Taps of the depth-wise causal convolutions after the projections; 1 for none. Default 4. */
  readonly taps?: number;
}

/** What a memory hands on from one part of a text to the next. */
export interface MemoryCarry {
  readonly memory: MemoryState;
  /** Rows that the convolutions look back at. Absent: zeros. */
  readonly past?: MemoryPast | undefined;
}

export interface MemoryPast {
  readonly q: Queries;
  readonly k: Tensor<'B' | 'T' | 'G' | 'D'>;
  readonly v: Tensor<'B' | 'T' | 'G' | 'D'>;
}

/** A memory of one layer, with its projections below a name. */
export interface NeuralMemory {
  readonly network: MemoryNetwork;
  readonly chunk: number;
  readonly taps: number;
  readonly momentum: boolean;
  readonly forgetting: boolean;
  /** Before the first token. */
  start(): MemoryCarry;
  /** Queries alone: what a memory is read with. */
  queries(x: Stream, past?: Queries): { readonly q: Queries; readonly past: Queries };
  /** Keys, values, queries and gates of a part of the text. */
  tokens(x: Stream, past?: MemoryPast): { readonly tokens: MemoryTokens; readonly past: MemoryPast };
  /** What the memory gives for a text whose tokens were made before, perhaps edited. */
  recall(tokens: MemoryTokens, length: number): Queries;
  /** Reads and learns T tokens from number `start` on; T has to be fixed. */
  advance(x: Stream, carry: MemoryCarry, start: number): { readonly z: Queries; readonly carry: MemoryCarry };
  /** Reads and learns one token, whose number is known only when run. */
  advanceToken(
    x: Stream,
    carry: MemoryCarry,
    position: Tensor<never>,
  ): { readonly z: Queries; readonly carry: MemoryCarry };
  /** RMSNorm over each head, a sigmoid gate linear in x, projection to the stream. */
  output(z: Queries, x: Stream): Stream;
}

/** T, where it is a number; else an InputError that says why it has to be. */
export function fixedLength(x: Stream): number {
  const length = size(x, 'T');
  if (length.constant === undefined)
    throw new InputError(
      `titans: chunks of memory are unrolled, so expected a text of fixed length, got T = ${length}; build the model for one length, or run it one token at a time through its decoding`,
    );
  return length.constant;
}

/** Throws an InputError unless it is a whole number of at least `lowest`. */
export function checkCount(name: string, value: number, lowest: number): void {
  if (!(Number.isSafeInteger(value) && value >= lowest))
    throw new InputError(`titans: ${name} must be a whole number of at least ${lowest}, got ${value}`);
}

/**
 * The long-term memory of Titans, 2501.00663: a network whose weights are updated while reading, one for each key/value head and read by R
 * queries. Keys, values and queries: projection, causal convolution, SiLU; keys and queries of length one. Gates are sigmoids linear in x,
 * one number a head: θ for each token, η and α for each chunk from the mean of its logits. Gates are named as lucidrains' code names them.
 */
export function neuralMemory(
  name: string,
  { H, G, D, M }: HeadSizes,
  epsilon: number,
  options: NeuralMemoryOptions = {},
): NeuralMemory {
  const { chunk = 4, maximumStep = 0.1, momentum = true, forgetting = true, learning = true, taps = 4 } = options;
  const { layers = 2, expansion = 4, shuffled = false, reset } = options;
  checkCount('chunk', chunk, 1);
  checkCount('taps', taps, 1);
  checkCount('expansion', expansion, 1);
  if (layers !== 1 && layers !== 2) throw new InputError(`titans: layers must be 1 or 2, got ${layers}`);
  if (!(maximumStep > 0 && maximumStep < Number.POSITIVE_INFINITY))
    throw new InputError(`titans: maximumStep must be above 0, got ${maximumStep}; learning: false turns learning off`);
  if (reset !== undefined && !(Number.isSafeInteger(reset) && reset > 0 && reset % chunk === 0))
    throw new InputError(`titans: reset must be a border of chunks of ${chunk} tokens, got ${reset}`);
  const R = H / G;
  const network = memoryNetwork({ G, D }, epsilon, options);
  const gate = (x: Stream, which: string) => linear(x, `${name}.${which}`, { G }, { M }, { bias: true });

  /** Convolution, SiLU, and what the next part of the text needs of the rows before. */
  function mixed<X extends Queries | MemoryPast['k']>(x: X, part: 'q' | 'k' | 'v', past?: X) {
    type Rows = Tensor<'T' | 'D'>;
    if (taps === 1) return { y: activations.silu(x as unknown as Rows) as unknown as X, past: x };
    const axes = { ...(part === 'q' ? { G, R, D } : { G, D }), tap: taps } as Axes<'G' | 'D' | 'tap'>;
    const filter = weight(`${name}.${part}_conv1d.weight`, axes) as unknown as Tensor<'D' | 'tap'>;
    const rows = withPast(x as unknown as Rows, 'T', taps - 1, past as unknown as Rows | undefined);
    const y = activations.silu(depthwise(rows, 'T', filter));
    return { y: y as unknown as X, past: lastOf(rows, 'T', taps - 1) as unknown as X };
  }
  const unit = <X extends Queries | MemoryPast['k']>(x: X): X => {
    const rows = x as unknown as Tensor<'D'>;
    return divide(rows, sqrt(add(sum(multiply(rows, rows), 'D'), 1e-12))) as unknown as X;
  };
  const project = (x: Stream, part: 'k' | 'v', past?: MemoryPast['k']) =>
    mixed(linear(x, `${name}.${part}_proj`, { G, D }, { M }), part, past);

  function queries(x: Stream, past?: Queries) {
    const raw = linear(x, `${name}.q_proj`, { G, R, D }, { M });
    const made = mixed(raw, 'q', past);
    return { q: unit(made.y), past: made.past };
  }

  function tokens(x: Stream, past?: MemoryPast) {
    const q = queries(x, past?.q);
    const [k, v] = [project(x, 'k', past?.k), project(x, 'v', past?.v)];
    const theta = multiply(sigmoid(gate(x, 'to_adaptive_step')), maximumStep);
    return {
      tokens: {
        ...{ q: q.q, k: unit(k.y), v: shuffled ? elsewhere(v.y) : v.y, theta: learning ? theta : multiply(theta, 0) },
        eta: momentum ? gate(x, 'to_momentum') : undefined,
        alpha: forgetting ? gate(x, 'to_decay_factor') : undefined,
      },
      past: { q: q.past, k: k.past, v: v.past },
    };
  }

  const start = () => ({ memory: { weights: network.initial(name) } });
  const learnt = (given: MemoryState, made: MemoryTokens, from: number, length: number) =>
    memorise(network, given, made, {
      ...{ chunk, start: from, length },
      reset: reset === undefined ? undefined : { at: reset, to: start().memory },
    });
  return {
    ...{ network, chunk, taps, momentum, forgetting, start, queries, tokens },
    recall: (made, length) => learnt(start().memory, made, 0, length).reads,
    advance(x, carry, from) {
      const made = tokens(x, carry.past);
      const { reads, state } = learnt(carry.memory, made.tokens, from, fixedLength(x));
      return { z: reads, carry: { memory: state, past: made.past } };
    },
    advanceToken(x, carry, position) {
      if (reset !== undefined || shuffled)
        throw new InputError('titans: reset and shuffled are controls for whole texts, not for one token at a time');
      const made = tokens(x, carry.past);
      const { reads, state } = memoriseToken(network, carry.memory, made.tokens, position, chunk);
      return { z: reads, carry: { memory: state, past: made.past } };
    },
    output(z, x) {
      const normed = rmsNorm(z, 'D', `${name}.norm`, { epsilon });
      const open = sigmoid(linear(x, `${name}.g_proj`, { G, R, D }, { M }));
      return linear(multiply(normed, open) as Queries, `${name}.o_proj`, { M }, { G, R, D });
    },
  };
}

/** Values of tokens five eighths of the text (or segment) away, round its end. Half would lead two layers back in two steps. */
function elsewhere(v: MemoryPast['v']): MemoryPast['v'] {
  return roll(v, 'T', Math.floor(((size(v, 'T').constant ?? 0) * 5) / 8));
}

/** Initial values of its own: gates nearly closed (α 0.05, θ a quarter of its largest), γ one, convolutions as PyTorch has them. */
export function neuralMemoryInitial(
  name: string,
  shape: readonly number[],
  random: () => number,
): Float32Array<ArrayBuffer> | undefined {
  const values = new Float32Array(shape.reduce((a, b) => a * b, 1));
  const normal = (deviation: number) => values.map(() => deviation * random());
  if (name.endsWith('to_decay_factor.bias')) return values.fill(-3);
  if (name.endsWith('to_adaptive_step.bias')) return values.fill(-1);
  if (name.endsWith('memory.gamma')) return values.fill(1);
  // [G, inputs, outputs], Xavier.
  if (/memory\.W(_[12])?$/.test(name)) return normal(Math.sqrt(2 / (shape[1]! + shape[2]!)));
  if (name.endsWith('_conv1d.weight')) return normal((3 * shape.at(-1)!) ** -0.5);
  return undefined;
}
