import type { Mechanism, TrainingTap } from '../attention/mechanism.ts';
import { softmaxAttention } from '../attention/mechanisms/softmax.ts';
import { type Position, positions } from '../attention/positions/positions.ts';
import { InputError } from '../error.ts';
import { rmsNorm, simpleRmsNorm } from '../layers/norms.ts';
import type { Block, Decoder } from '../models/decoder.ts';
import { attentionOnlyBlock, postNormBlock, serialBlock } from '../models/parts/blocks.ts';
import { gatedMlp, type MlpActivation, plainMlp } from '../models/parts/mlp.ts';
import { standardDecoder } from '../models/parts/standard.ts';
import { add } from '../tensor/index.ts';

export interface SmallBlockOptions {
  /** H divides M. */
  readonly sizes: {
    readonly L: number;
    readonly H: number;
    readonly G?: number;
    readonly M: number;
    readonly F?: number;
  };
  /** T of training. */
  readonly context: number;
  /** Default softmax attention; a function chooses for each layer. */
  readonly mechanism?: Mechanism | ((layer: number) => Mechanism);
  /** Default RoPE. */
  readonly position?: Position;
  /** RMSNorm before each part, or after each residual. Default `pre`. */
  readonly norm?: 'pre' | 'post';
  /** Does RMSNorm have a learned weight, or no parameters (SRMSNorm)? Default true. */
  readonly normWeight?: boolean;
  /** Feed-forward with a gate (SwiGLU and kin; `linear`: SGLU) or without. Default gated, `silu`. No feed-forward where F is not given. */
  readonly activation?: MlpActivation;
  readonly gated?: boolean;
  /** Sliding window in tokens. Default: all before. */
  readonly window?: number | undefined;
  /** Default 1e-5. */
  readonly epsilon?: number;
  readonly training?: TrainingTap | undefined;
}

/** The block of a small decoder to train: any mechanism × position encoding × norm × depth. `at` names the tensors of its layer. */
export function smallBlock(options: SmallBlockOptions, layer: number, at: (name: string) => string): Block {
  const { context, norm = 'pre', activation = 'silu', gated = true, window, epsilon = 1e-5, training } = options;
  const { normWeight = true } = options;
  const { L, H, G = H, M, F } = options.sizes;
  if (M % H !== 0 || H % G !== 0)
    throw new InputError(`small decoder: ${H} heads on ${G} key/value heads do not divide a width of ${M}`);
  const sizes = { H, G, D: M / H, M };
  const { mechanism = softmaxAttention(), position = positions.rope } = options;
  const chosen = typeof mechanism === 'function' ? mechanism(layer) : mechanism;
  const attention = chosen.attention({
    ...{ at, sizes, context, layer, layers: L, epsilon },
    position: position.inAttention(sizes),
    ...(window === undefined ? {} : { window }),
    ...(training ? { training } : {}),
  });
  const ln =
    (name: string): Parameters<typeof serialBlock>[0]['ln1'] =>
    (x) =>
      normWeight ? rmsNorm(x, 'M', at(name), { epsilon }) : simpleRmsNorm(x, 'M', { epsilon });
  const parts = { attention, ln1: ln('input_layernorm'), window };
  if (F === undefined) return attentionOnlyBlock(parts);
  const mlp = gated
    ? gatedMlp(at, { F, M }, activation)
    : plainMlp({ up: at('mlp.up_proj'), down: at('mlp.down_proj') }, { F, M }, activation);
  const whole = { ...parts, ln2: ln('post_attention_layernorm'), mlp };
  return norm === 'pre' ? serialBlock(whole) : postNormBlock(whole);
}

export interface SmallDecoderOptions extends SmallBlockOptions {
  readonly sizes: SmallBlockOptions['sizes'] & { readonly V: number };
  /** One table for tokens in and out. Default true. */
  readonly tied?: boolean;
}

/** A small decoder for experiments, in Llama's outline (`model.layers.{i}…`) and with Llama's names where it has the part. */
export function smallDecoder(options: SmallDecoderOptions): Decoder {
  const { sizes, context, tied = true, epsilon = 1e-5, position = positions.rope, normWeight = true } = options;
  const { L, H, G = H, M, V } = sizes;
  const mechanismOf = (layer: number) =>
    typeof options.mechanism === 'function' ? options.mechanism(layer) : options.mechanism;
  const decoder: Decoder = {
    ...standardDecoder({
      ...{ family: 'small decoder', epsilon, tied },
      sizes: { L, H, G, D: M / H, M, V, maxPositions: context },
      block: (layer, at) => smallBlock(options, layer, at),
    }),
    ...(normWeight ? {} : { norm: (x) => simpleRmsNorm(x, 'M', { epsilon }) }),
    fresh: (name, shape, random) =>
      mechanismOf(Number(/\.layers\.(\d+)\./.exec(name)?.[1] ?? 0))?.initial?.(name, shape, random),
  };
  const { inStream } = position;
  if (!inStream) return decoder;
  return {
    ...decoder,
    embeddedPositions: position.name === 'learned' ? context : Number.POSITIVE_INFINITY,
    embed: (ids, places) => add(decoder.embed(ids, places), inStream(places, { M, longest: context }) as never),
  };
}
