import { attention } from '../../attention/attention.ts';
import { softmaxSteps } from '../../attention/normalisers/softmax.ts';
import { relativeBias } from '../../attention/positions/position-bias.ts';
import type { Queries, Stream } from '../../attention/steps.ts';
import { linear } from '../../layers/linear.ts';
import { rmsNorm } from '../../layers/norms.ts';
import type { ConfigReader } from '../../load/config.ts';
import { multiply, type Tensor } from '../../tensor/index.ts';
import type { Family } from '../family.ts';
import { type BlockParts, serialBlock } from '../parts/blocks.ts';
import { ignoreHarmless } from '../parts/config.ts';
import { crossAttention } from '../parts/cross-attention.ts';
import { crossBlock } from '../parts/cross-block.ts';
import { gatedMlp, type Mlp, type MlpActivation, plainMlp } from '../parts/mlp.ts';
import { vocabulary } from '../parts/vocabulary.ts';
import type { StackSizes, TokenStack } from '../stack.ts';

type Sizes = StackSizes & { readonly V: number };

/** What both stacks share. */
interface Common {
  readonly sizes: Omit<Sizes, 'L'>;
  readonly epsilon: number;
  readonly buckets: number;
  readonly maxDistance: number;
  readonly mlp: (at: (name: string) => string) => Mlp;
}

/** One stack: its part, and how deep it is. */
interface Half extends Common {
  readonly part: 'encoder' | 'decoder';
  readonly L: number;
}

/** Names of the parts of a feed-forward layer by those of Llama. */
const gatedNames: Readonly<Record<string, string>> = {
  'mlp.gate_proj': 'DenseReluDense.wi_0',
  'mlp.up_proj': 'DenseReluDense.wi_1',
  'mlp.down_proj': 'DenseReluDense.wo',
};

const feedForwards = {
  relu: { activation: 'relu', gated: false },
  gelu: { activation: 'gelu', gated: false },
  silu: { activation: 'silu', gated: false },
  'gated-relu': { activation: 'relu', gated: true },
  // By its tanh approximation, as the release was trained.
  'gated-gelu': { activation: 'gelu_new', gated: true },
  'gated-silu': { activation: 'silu', gated: true },
} as const satisfies Record<string, { readonly activation: MlpActivation; readonly gated: boolean }>;

function readFeedForward(c: ConfigReader, M: number, usual: keyof typeof feedForwards): Common['mlp'] {
  const F = c.int('d_ff', { min: 1, max: 1 << 22 });
  const names = Object.keys(feedForwards) as (keyof typeof feedForwards)[];
  const { activation, gated } = feedForwards[c.oneOf('feed_forward_proj', names, { default: usual })];
  // The same once more.
  c.oneOf('dense_act_fn', [activation], { default: activation });
  c.oneOf('is_gated_act', [gated], { default: gated });
  return (at) =>
    gated
      ? gatedMlp((name) => at(gatedNames[name]!), { F, M }, activation)
      : plainMlp({ up: at('DenseReluDense.wi'), down: at('DenseReluDense.wo') }, { F, M }, activation, { bias: false });
}

/** Projections without biases; the heads together need not be as wide as the stream. */
function projected(at: (name: string) => string, { H, D, M }: Omit<Sizes, 'L'>, folder: string) {
  const from = (part: string) => at(`${folder}.${part}`);
  return {
    q: (x: Stream) => linear(x, from('q'), { G: H, R: 1, D }, { M }),
    k: (x: Tensor<'B' | 'S' | 'M'>) => linear(x, from('k'), { G: H, D }, { M }),
    v: (x: Tensor<'B' | 'S' | 'M'>) => linear(x, from('v'), { G: H, D }, { M }),
    output: (z: Queries) => linear(z, from('o'), { M }, { G: H, R: 1, D }),
  };
}

function blocks({ sizes, epsilon, part, L, mlp, buckets, maxDistance }: Half) {
  const causal = part === 'decoder';
  const bias = relativeBias(sizes, {
    name: `${part}.block.0.layer.0.SelfAttention.relative_attention_bias`,
    ...{ buckets, maxDistance, bidirectional: !causal },
  });
  return Array.from({ length: L }, (_, block) => {
    const at = (layer: number) => (name: string) => `${part}.block.${block}.layer.${layer}.${name}`;
    const norm = (layer: number) => (x: Stream) => rmsNorm(x, 'M', at(layer)('layer_norm'), { epsilon });
    const { output, ...project } = projected(at(0), sizes, 'SelfAttention');
    const last = causal ? 2 : 1;
    const parts: BlockParts = {
      attention: attention({ ...project, bias, steps: softmaxSteps({ scale: 1, causal, output }) }),
      ln1: norm(0),
      ln2: norm(last),
      mlp: mlp(at(last)),
    };
    if (!causal) return serialBlock(parts);
    const cross = crossAttention({ ...projected(at(1), sizes, 'EncDecAttention'), scale: 1 });
    return crossBlock({ ...parts, cross, lnCross: norm(1) });
  });
}

function stack(half: Half, { embed }: Pick<TokenStack, 'embed'>): TokenStack {
  const { part, sizes, epsilon, L } = half;
  return {
    ...{ family: 't5', part, sizes: { ...sizes, L }, causal: part === 'decoder', embed },
    blocks: blocks(half),
    norm: (x) => rmsNorm(x, 'M', `${part}.final_layer_norm`, { epsilon }),
    tiedTensors: [`${part}.embed_tokens.weight`],
  };
}

/** T5, 1910.10683, its releases 1.1 and Flan, and mT5, 2010.11934; an encoder alone where that is what was stored. */
export const family: Family = {
  name: 't5',
  modelTypes: ['t5', 'mt5'],
  title: 'T5, T5 1.1, Flan-T5, mT5',
  source: '1910.10683',
  about:
    'Encoder and decoder: RMSNorm, scores that are not scaled, one table of relative positions in all blocks of a stack, ReLU or gated GELU.',
  build(c, checkpoint) {
    const multilingual = checkpoint.config.model_type === 'mt5';
    const M = c.int('d_model', { min: 1, max: 1 << 20 });
    const H = c.int('num_heads', { min: 1, max: 1 << 14 });
    const D = c.int('d_kv', { min: 1, max: 1 << 14 });
    const V = c.int('vocab_size', { min: 1, max: 1 << 24 });
    const L = c.int('num_layers', { min: 1, max: 4096 });
    const buckets = c.int('relative_attention_num_buckets', { min: 4, max: 1 << 16, default: 32 });
    if (buckets % 4 !== 0) throw c.error('relative_attention_num_buckets', 'a multiple of 4');
    const common: Common = {
      sizes: { H, G: H, D, M, V, maxPositions: c.int('n_positions', { min: 1, default: 512 }) },
      epsilon: c.number('layer_norm_epsilon', { default: 1e-6 }),
      buckets,
      maxDistance: c.int('relative_attention_max_distance', { min: buckets / 2 + 1, max: 1 << 20, default: 128 }),
      mlp: readFeedForward(c, M, multilingual ? 'gated-gelu' : 'relu'),
    };
    const depth = c.int('num_decoder_layers', { min: 1, max: 4096, default: L });
    // Releases of T5 1.1 say that nothing is tied. Files written since call every T5 tied, and say apart which outputs are scaled.
    const untied = !c.bool('tie_word_embeddings', { default: true });
    const scaled = c.bool('scale_decoder_outputs', { default: !untied }) && !multilingual;
    const apart = untied || (!scaled && checkpoint.tensors.has('lm_head.weight'));
    const names = checkpoint.config.architectures;
    const alone = Array.isArray(names) && names.length === 1 && /^M?T5EncoderModel$/.test(String(names[0]));
    c.oneOf('is_encoder_decoder', alone ? [true, false] : [true], { default: true });
    c.oneOf('is_decoder', [false], { default: false });
    c.ignore(['dropout_rate', 'output_past', 'tokenizer_class']);
    ignoreHarmless(c);
    const { embed, unembed } = vocabulary({ V, M, embedding: 'shared', output: apart ? 'lm_head' : 'shared' });
    const encoder = stack({ ...common, part: 'encoder', L }, { embed });
    if (alone) {
      const { part: _, ...whole } = encoder;
      return whole;
    }
    const decoder = stack({ ...common, part: 'decoder', L: depth }, { embed });
    return {
      main: 'decoder',
      parts: {
        encoder,
        decoder: {
          ...decoder,
          memory: { M },
          unembed: (x) => unembed(scaled ? multiply(x, M ** -0.5) : x),
          tiedTensors: [...(decoder.tiedTensors ?? []), ...(apart ? [] : ['lm_head.weight'])],
          // The first releases hold a table of positions for the memory, which nothing reads.
          ignoredTensors: /^decoder\.block\.0\.layer\.1\.EncDecAttention\.relative_attention_bias\.weight$/,
        },
      },
    };
  },
};
