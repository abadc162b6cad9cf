import { attention } from '../../attention/attention.ts';
import { softmaxSteps } from '../../attention/normalisers/softmax.ts';
import { rotary } from '../../attention/positions/rope-frequencies.ts';
import type { Queries, Stream } from '../../attention/steps.ts';
import { activationNames } from '../../layers/activations.ts';
import { linear } from '../../layers/linear.ts';
import { layerNorm } from '../../layers/norms.ts';
import { readRope } from '../../load/rope-config.ts';
import { add, dot, pick, type Tensor, weight } from '../../tensor/index.ts';
import type { DecoderFamily } from '../family.ts';
import { parallelBlock, serialBlock } from '../parts/blocks.ts';
import { ignoreHarmless, readSizes } from '../parts/config.ts';
import { plainMlp } from '../parts/mlp.ts';
import { vocabulary } from '../parts/vocabulary.ts';

export const family: DecoderFamily = {
  name: 'gpt_neox',
  modelTypes: ['gpt_neox'],
  title: 'GPT-NeoX, Pythia',
  source: '2204.06745',
  about:
    'Attention and feed-forward in parallel or in turn, RoPE on part of each head, one joint projection ordered by head.',
  gguf: ['gptneox'],
  build(c) {
    const sizes = readSizes(c);
    const { L, H, D, M, F, V } = sizes;
    if (sizes.G !== H) throw c.error('num_key_value_heads', `as many as num_attention_heads, ${H}`);
    const epsilon = c.number('layer_norm_eps', { default: 1e-5 });
    const turn = rotary(readRope(c, { ...sizes, partial: 0.25 }), D);
    const parallel = c.bool('use_parallel_residual', { default: true });
    const bias = c.bool('attention_bias', { default: true });
    const activation = c.oneOf('hidden_act', activationNames, { default: 'gelu' });
    const tied = c.bool('tie_word_embeddings', { default: false });
    c.ignore(['is_decoder']);
    ignoreHarmless(c);
    const embedding = 'gpt_neox.embed_in';
    return {
      family: 'gpt_neox',
      sizes,
      ...vocabulary({ V, M, embedding, output: tied ? embedding : 'embed_out' }),
      blocks: Array.from({ length: L }, (_, layer) => {
        const at = (name: string) => `gpt_neox.layers.${layer}.${name}`;
        const heads = { G: H, R: 1, J: 3, D };
        const joint = (x: Tensor<'M'>, part: 0 | 1 | 2) => {
          const y = dot(x, pick(weight(at('attention.query_key_value.weight'), { ...heads, M }), 'J', part), 'M');
          return bias ? add(y, pick(weight(at('attention.query_key_value.bias'), heads), 'J', part)) : y;
        };
        const keys = (part: 1 | 2) => (x: Tensor<'B' | 'S' | 'M'>) =>
          pick(joint(x as never, part) as unknown as Tensor<'B' | 'S' | 'G' | 'R' | 'D'>, 'R', 0);
        const output = (z: Queries) => linear(z, at('attention.dense'), { M }, { G: H, R: 1, D }, { bias });
        return (parallel ? parallelBlock : serialBlock)({
          attention: attention({
            q: (x: Stream) => joint(x as never, 0) as unknown as Queries,
            k: keys(1),
            v: keys(2),
            rotary: turn,
            steps: softmaxSteps({ scale: D ** -0.5, output }),
          }),
          ln1: (x) => layerNorm(x, 'M', at('input_layernorm'), { epsilon }),
          ln2: (x) => layerNorm(x, 'M', at('post_attention_layernorm'), { epsilon }),
          mlp: plainMlp({ up: at('mlp.dense_h_to_4h'), down: at('mlp.dense_4h_to_h') }, { F, M }, activation),
        });
      }),
      norm: (x) => layerNorm(x, 'M', 'gpt_neox.final_layer_norm', { epsilon }),
      // Causal masks and rotary tables that early releases stored as tensors.
      ignoredTensors: /\.attention\.(bias|masked_bias|rotary_emb\.inv_freq)$/,
    };
  },
};
