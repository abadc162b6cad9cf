import { attention } from '../../attention/attention.ts';
import { softmaxSteps } from '../../attention/normalisers/softmax.ts';
import { coarseAlibi } from '../../attention/positions/coarse-alibi.ts';
import { rotary } from '../../attention/positions/rope-frequencies.ts';
import type { Queries, Stream } from '../../attention/steps.ts';
import { activationNames } from '../../layers/activations.ts';
import { linear } from '../../layers/linear.ts';
import { layerNorm } from '../../layers/norms.ts';
import type { ConfigReader } from '../../load/config.ts';
import { readRope } from '../../load/rope-config.ts';
import type { DecoderSizes } from '../decoder.ts';
import type { DecoderFamily } from '../family.ts';
import { parallelBlock, serialBlock } from '../parts/blocks.ts';
import { ignoreHarmless } from '../parts/config.ts';
import { readEvenSizes } from '../parts/even-sizes.ts';
import { jointByGroup } from '../parts/joint-projection.ts';
import { plainMlp } from '../parts/mlp.ts';
import { vocabulary } from '../parts/vocabulary.ts';

/** Sizes, and which norms a block has: one that both parts read, one for each, or one before each in turn. */
function readLayout(c: ConfigReader): { sizes: DecoderSizes; norms: 'shared' | 'own' | 'serial' } {
  const even = readEvenSizes(c, {
    width: ['hidden_size', 'n_embed'],
    heads: ['num_attention_heads', 'n_head'],
    layers: ['num_hidden_layers', 'n_layer'],
    positions: 'max_position_embeddings',
  });
  const { H } = even;
  const grouped = c.bool('new_decoder_architecture', { default: false });
  const single = c.bool('multi_query', { default: true });
  const G = c.int('num_kv_heads', { min: 1, max: H, default: H });
  if (H % G !== 0) throw c.error('num_kv_heads', `a divisor of num_attention_heads, ${H}`);
  if (!grouped && !single && G !== H) throw c.error('num_kv_heads', `as many as num_attention_heads, ${H}`);
  const parallel = c.bool('parallel_attn', { default: true });
  if (grouped && !parallel) throw c.error('parallel_attn', 'true with new_decoder_architecture');
  const count = c.oneOf('num_ln_in_parallel_attn', [1, 2], { default: grouped ? 2 : 1 });
  if (!grouped && count === 2) throw c.error('num_ln_in_parallel_attn', '1 without new_decoder_architecture');
  return {
    sizes: { ...even, G: grouped || !single ? G : 1 },
    norms: parallel ? (count === 2 ? 'own' : 'shared') : 'serial',
  };
}

export const family: DecoderFamily = {
  name: 'falcon',
  modelTypes: ['falcon'],
  title: 'Falcon',
  source: '2311.16867',
  about: 'Parallel attention and feed-forward, one or few key/value heads, RoPE; Falcon-RW in turn and with ALiBi.',
  gguf: ['falcon'],
  limits: ['The reference adds ALiBi twice in eager attention (Falcon-RW); here it is added once.'],
  build(c) {
    const { sizes, norms } = readLayout(c);
    const { L, H, G, D, M, V } = sizes;
    const F = c.int('ffn_hidden_size', { min: 1, max: 1 << 22, default: 4 * M });
    const epsilon = c.number('layer_norm_epsilon', { default: 1e-5 });
    const tilted = c.bool('alibi', { default: false });
    const turn = rotary(readRope(c, sizes), D);
    const bias = c.bool('bias', { default: false });
    const activation = c.oneOf('activation', activationNames, { default: 'gelu' });
    const tied = c.bool('tie_word_embeddings', { default: true });
    c.oneOf('apply_residual_connection_post_layernorm', [false], { default: false });
    c.int('ff_factor', { min: F / M, max: F / M, default: F / M });
    c.ignore(['tokenizer_class']);
    ignoreHarmless(c);
    const embedding = 'transformer.word_embeddings';
    const scale = D ** -0.5;
    const positions = tilted ? { bias: coarseAlibi(sizes, scale) } : { rotary: turn };
    return {
      family: 'falcon',
      sizes,
      ...vocabulary({ V, M, embedding, output: tied ? embedding : 'lm_head' }),
      blocks: Array.from({ length: L }, (_, layer) => {
        const at = (name: string) => `transformer.h.${layer}.${name}`;
        const norm = (name: string) => (x: Stream) => layerNorm(x, 'M', at(name), { epsilon });
        const output = (z: Queries) => linear(z, at('self_attention.dense'), { M }, { G, R: H / G, D }, { bias });
        const parts = {
          attention: attention({
            ...jointByGroup(at('self_attention.query_key_value'), sizes, { bias }),
            ...positions,
            steps: softmaxSteps({ scale, output }),
          }),
          mlp: plainMlp({ up: at('mlp.dense_h_to_4h'), down: at('mlp.dense_4h_to_h') }, { F, M }, activation, { bias }),
        };
        if (norms === 'own') return parallelBlock({ ...parts, ln1: norm('ln_attn'), ln2: norm('ln_mlp') });
        const ln1 = norm('input_layernorm');
        return norms === 'shared'
          ? parallelBlock({ ...parts, ln1, ln2: ln1 })
          : serialBlock({ ...parts, ln1, ln2: norm('post_attention_layernorm') });
      }),
      norm: (x) => layerNorm(x, 'M', 'transformer.ln_f', { epsilon }),
      ignoredTensors: /\.(rotary_emb|maybe_rotary)\.inv_freq$/,
      ...(tied ? { tiedTensors: ['lm_head.weight'] } : {}),
    };
  },
};
