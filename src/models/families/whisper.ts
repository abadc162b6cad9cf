import { type AttentionParts, attention } from '../../attention/attention.ts';
import { softmaxSteps } from '../../attention/normalisers/softmax.ts';
import { projections } from '../../attention/projections.ts';
import type { Queries, Stream } from '../../attention/steps.ts';
import { type ActivationName, activationNames, activations } from '../../layers/activations.ts';
import { convolution } from '../../layers/convolution.ts';
import { layerNorm } from '../../layers/norms.ts';
import type { ConfigReader } from '../../load/config.ts';
import { add, gather, rename, type Tensor, weight } from '../../tensor/index.ts';
import type { Family } from '../family.ts';
import { serialBlock } from '../parts/blocks.ts';
import { ignoreHarmless } from '../parts/config.ts';
import { crossAttention } from '../parts/cross-attention.ts';
import { crossBlock } from '../parts/cross-block.ts';
import { plainMlp } from '../parts/mlp.ts';
import { vocabulary } from '../parts/vocabulary.ts';
import type { FeatureStack, StackSizes, TokenStack } from '../stack.ts';

/** One of the two stacks: its sizes, and the names of its tensors. */
interface Half {
  readonly sizes: StackSizes;
  readonly F: number;
  readonly activation: ActivationName;
  /** `model.encoder` or `model.decoder`. */
  readonly root: string;
}

const norm = (name: string) => (x: Stream) => layerNorm(x, 'M', name, { epsilon: 1e-5 });

/** Projections with biases, but none on the keys. */
function projected(
  at: (name: string) => string,
  sizes: StackSizes,
  folder: string,
): Pick<AttentionParts, 'q' | 'k' | 'v'> & { readonly output: (z: Queries) => Stream } {
  const names = { folder, output: 'out_proj' };
  const { k } = projections(at, sizes, { inputs: false, output: true }, names);
  return { ...projections(at, sizes, { inputs: true, output: true }, names), k };
}

/** What blocks of encoder and decoder have in common. */
function blockParts({ sizes, F, activation }: Half, at: (name: string) => string, causal: boolean) {
  const { output, ...project } = projected(at, sizes, 'self_attn');
  return {
    attention: attention({ ...project, steps: softmaxSteps({ scale: sizes.D ** -0.5, causal, output }) }),
    ln1: norm(at('self_attn_layer_norm')),
    ln2: norm(at('final_layer_norm')),
    mlp: plainMlp({ up: at('fc1'), down: at('fc2') }, { F, M: sizes.M }, activation),
  };
}

const layers = <T>({ sizes, root }: Half, block: (at: (name: string) => string) => T) =>
  Array.from({ length: sizes.L }, (_, layer) => block((name) => `${root}.layers.${layer}.${name}`));

/** A spectrogram through two convolutions, the second of which halves the number of frames, and blocks that see all of it. */
function encoder(half: Half, C: number): FeatureStack {
  const { root, sizes } = half;
  const { M, maxPositions: P } = sizes;
  return {
    ...{ family: 'whisper', part: 'encoder', sizes, causal: false },
    reads: 'features',
    features: { C, frames: 2 * P, stride: 2, seconds: 0.01 },
    embed(features) {
      const first = activations.gelu(convolution(features, `${root}.conv1`, { M, C }));
      const second = convolution(rename(first, 'M', 'C'), `${root}.conv2`, { M, C: M, stride: 2 });
      const x = rename(activations.gelu(second), 'N', 'T');
      return add(x, rename(weight(`${root}.embed_positions.weight`, { P, M }), 'P', 'T') as never);
    },
    blocks: layers(half, (at) => serialBlock(blockParts(half, at, false))),
    norm: norm(`${root}.layer_norm`),
  };
}

/** Text with learned positions and attention to the encoder. */
function decoder(half: Half, V: number, tied: boolean): TokenStack {
  const { root, sizes } = half;
  const { M, D, maxPositions: P } = sizes;
  const embedding = `${root}.embed_tokens`;
  const words = vocabulary({ V, M, embedding, output: tied ? embedding : 'proj_out' });
  return {
    ...{ family: 'whisper', part: 'decoder', sizes: { ...sizes, V }, memory: { M } },
    ...words,
    embeddedPositions: P,
    embed(ids, positions) {
      const places = gather(weight(`${root}.embed_positions.weight`, { P, M }), positions as Tensor<'T'>, 'P');
      return add(words.embed(ids, positions), places as never);
    },
    blocks: layers(half, (at) =>
      crossBlock({
        ...blockParts(half, at, true),
        cross: crossAttention({ ...projected(at, sizes, 'encoder_attn'), scale: D ** -0.5 }),
        lnCross: norm(at('encoder_attn_layer_norm')),
      }),
    ),
    norm: norm(`${root}.layer_norm`),
    ...(tied ? { tiedTensors: ['proj_out.weight'] } : {}),
  };
}

/** Sizes of one stack, and its feed-forward width. */
function readHalf(c: ConfigReader, part: 'encoder' | 'decoder', M: number): Pick<Half, 'sizes' | 'F'> {
  const H = c.int(`${part}_attention_heads`, { min: 1, max: 1 << 14 });
  if (M % H !== 0) throw c.error(`${part}_attention_heads`, `a divisor of d_model, ${M}`);
  const [positions, usual] = part === 'encoder' ? ['max_source_positions', 1500] : ['max_target_positions', 448];
  const sizes = {
    L: c.int(`${part}_layers`, { min: 1, max: 4096 }),
    ...{ H, G: H, D: M / H, M },
    maxPositions: c.int(positions as string, { min: 1, max: 1 << 20, default: usual as number }),
  };
  return { sizes, F: c.int(`${part}_ffn_dim`, { min: 1, max: 1 << 22 }) };
}

/** Whisper, 2212.04356: from a log-mel spectrogram of 30 seconds to text; pre-norm blocks with LayerNorm, keys without biases. */
export const family: Family = {
  name: 'whisper',
  modelTypes: ['whisper'],
  title: 'Whisper, Distil-Whisper',
  source: '2212.04356',
  about:
    'An encoder of spectrograms behind two convolutions, and a decoder that looks at it; LayerNorm, keys without biases.',
  reads: ['sound'],
  limits: ['Of a sound the first 30 seconds are read.'],
  build(c, checkpoint) {
    const M = c.int('d_model', { min: 1, max: 1 << 20 });
    const V = c.int('vocab_size', { min: 1, max: 1 << 24 });
    const C = c.int('num_mel_bins', { min: 1, max: 4096, default: 80 });
    const activation = c.oneOf('activation_function', activationNames, { default: 'gelu' });
    const tied = c.bool('tie_word_embeddings', { default: true });
    c.oneOf('is_encoder_decoder', [true], { default: true });
    c.oneOf('scale_embedding', [false], { default: false });
    c.oneOf('use_weighted_layer_sum', [false], { default: false });
    // Training only: masks on the spectrogram, dropped layers. The classifier and the filter of word times are none of the two stacks.
    c.ignore(['apply_spec_augment', 'mask_time_prob', 'mask_time_length', 'mask_time_min_masks', 'init_std']);
    c.ignore(['mask_feature_prob', 'mask_feature_length', 'mask_feature_min_masks']);
    c.ignore(['encoder_layerdrop', 'decoder_layerdrop', 'classifier_proj_size', 'median_filter_width']);
    // How text is generated; the same number of layers again.
    c.ignore(['forced_decoder_ids', 'num_hidden_layers', 'tokenizer_class']);
    ignoreHarmless(c);
    const before = checkpoint.tensors.has('encoder.conv1.weight') ? '' : 'model.';
    const half = (part: 'encoder' | 'decoder'): Half => ({
      ...readHalf(c, part, M),
      activation,
      root: `${before}${part}`,
    });
    return {
      main: 'decoder',
      parts: { encoder: encoder(half('encoder'), C), decoder: decoder(half('decoder'), V, tied) },
    };
  },
};
