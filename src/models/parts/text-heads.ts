import type { Places } from '../../attention/places.ts';
import type { Stream } from '../../attention/steps.ts';
import { LoadError } from '../../error.ts';
import { activations } from '../../layers/activations.ts';
import { linear } from '../../layers/linear.ts';
import { layerNorm } from '../../layers/norms.ts';
import type { Checkpoint } from '../../load/checkpoint.ts';
import { add, cast, divide, mean, multiply, pick, rename, sum, type Tensor, tanh, weight } from '../../tensor/index.ts';
import type { StackOutput, TokenStack } from '../stack.ts';

/** What a release's head makes of the stream: logits of tokens, or values of other names. */
export type Heads = Pick<TokenStack, 'unembed' | 'outputs' | 'tiedTensors'>;

/** One vector of each text. */
export type Pooled = Tensor<'B' | 'M'>;

const functions = { ...activations, tanh };
export type HeadActivation = keyof typeof functions;

/** act(x · W + b) with a matrix [to, from], over a stream or over pooled vectors. */
export function dense<X extends Stream | Pooled>(
  x: X,
  name: string,
  { from, to = from }: { readonly from: number; readonly to?: number },
  activation: HeadActivation,
  { bias = true }: { readonly bias?: boolean } = {},
): X {
  const old = rename(x as unknown as Pooled, 'M', 'N');
  return functions[activation](linear(old, name, { M: to }, { N: from }, { bias })) as unknown as X;
}

/** The vector at the first position. */
export const firstToken = (x: Stream): Pooled => pick(x, 'T', 0);

/** The mean of the vectors that are not padding. */
export function meanToken(x: Stream, { keyIsReal }: Places): Pooled {
  if (!keyIsReal) return mean(x, 'T');
  const real = cast(rename(keyIsReal, 'S', 'T'), 'float32');
  return divide(sum(multiply(x, real), 'T'), sum(real, 'T'));
}

/** A value with the order in which it leaves a program. */
export const given = <A extends string>(value: Tensor<A>, order: readonly A[]): StackOutput => ({
  value: value as unknown as Tensor<string>,
  order,
});

/** All heads that a release has, on one stream. */
export function joinHeads(heads: readonly (Heads | undefined)[]): Heads {
  const there = heads.filter((head) => head !== undefined);
  const unembed = there.find((head) => head.unembed)?.unembed;
  return {
    ...(unembed ? { unembed } : {}),
    outputs: Object.assign({}, ...there.map(({ outputs }) => outputs)),
    tiedTensors: there.flatMap(({ tiedTensors = [] }) => tiedTensors),
  };
}

/** Rows of the matrix of a head, which the configuration need not tell. */
function classesOf(checkpoint: Checkpoint, name: string): number {
  const shape = checkpoint.tensors.get(`${name}.weight`)?.shape ?? [];
  const [C = 0] = shape;
  if (shape.length !== 2 || C < 1)
    throw new LoadError(
      `${checkpoint.provenance.source}: tensor ${name}.weight: expected shape [classes, width], got [${shape}]`,
    );
  return C;
}

export interface HeadOptions {
  readonly checkpoint: Checkpoint;
  /** Weight name of the linear layer, without `.weight`. */
  readonly name: string;
  readonly M: number;
}

/** Logits of classes for each token, from x or what `before` makes of it. */
export function tokenClasses({ checkpoint, name, M }: HeadOptions, before: (x: Stream) => Stream = (x) => x): Heads {
  const V = classesOf(checkpoint, name);
  return { unembed: (x) => linear(before(x), name, { V }, { M }, { bias: true }) };
}

/** Logits of classes for each text, [B, C], from one vector of it; the output is called `logits` or as given. */
export function textClasses(
  { checkpoint, name, M }: HeadOptions,
  pool: (x: Stream, places: Places) => Pooled,
  output = 'logits',
): Heads {
  const C = classesOf(checkpoint, name);
  const value = (x: Stream, places: Places) =>
    given(linear(pool(x, places), name, { C }, { M }, { bias: true }), ['B', 'C']);
  return { outputs: { [output]: value } };
}

/** Where an answer starts and ends: `start_logits` and `end_logits` [B, T]. */
export function answerSpan({ checkpoint, name, M }: HeadOptions, before: (x: Stream) => Stream = (x) => x): Heads {
  if (classesOf(checkpoint, name) !== 2)
    throw new LoadError(
      `${checkpoint.provenance.source}: tensor ${name}.weight: expected two rows, for start and end, got [${checkpoint.tensors.get(`${name}.weight`)!.shape}]`,
    );
  const end = (index: 0 | 1) => (x: Stream) =>
    given(pick(linear(before(x), name, { C: 2 }, { M }, { bias: true }), 'C', index), ['B', 'T']);
  return { outputs: { start_logits: end(0), end_logits: end(1) } };
}

/** tanh(x₀ · W + b). */
export const pooler =
  (name: string, M: number) =>
  (x: Stream): Pooled =>
    dense(firstToken(x), name, { from: M }, 'tanh');

/** The pooled vector by itself, under the references' name. */
export const pooled = (pool: (x: Stream) => Pooled): Heads => ({
  outputs: { pooler_output: (x) => given(pool(x), ['B', 'M']) },
});

export interface MaskedHeadOptions {
  readonly checkpoint: Checkpoint;
  /** Weight names without `.weight`: a linear layer [W, M], a LayerNorm, the output table [V, W]. */
  readonly dense: string;
  readonly norm: string;
  readonly output: string;
  /** Full names of the logits' bias; the first that is there is read, the others are its copies. None: no bias. */
  readonly bias: readonly string[];
  /** Weight name of the token table, where it is the output table as well. */
  readonly tied: string | undefined;
  readonly sizes: { readonly M: number; readonly V: number; readonly W?: number };
  readonly epsilon: number;
  readonly activation: HeadActivation;
  /** Biases of the linear layer and of the norm. Default: they are there. */
  readonly biases?: { readonly dense: boolean; readonly norm: boolean };
}

/** Logits of the tokens behind masks: norm(act(x · W + b)), then the output table with a bias. */
export function maskedHead(options: MaskedHeadOptions): Heads {
  const { checkpoint, norm, output, bias, tied, sizes, epsilon, activation, biases } = options;
  const { M, V, W = M } = sizes;
  const there = bias.find((name) => checkpoint.tensors.has(name)) ?? bias[0];
  return {
    unembed(x) {
      const wide = { from: M, to: W };
      const hidden = dense(x, options.dense, wide, activation, { bias: biases?.dense ?? true });
      const normed = layerNorm(hidden, 'M', norm, { epsilon, bias: biases?.norm ?? true });
      const logits = linear(normed, tied ?? output, { V }, { M: W });
      return there === undefined ? logits : add(logits, weight(there, { V }));
    },
    tiedTensors: [...(tied === undefined ? [] : [`${output}.weight`]), ...bias.filter((name) => name !== there)],
  };
}
