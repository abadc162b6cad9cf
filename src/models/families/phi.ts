import { attention } from '../../attention/attention.ts';
import { softmaxSteps } from '../../attention/normalisers/softmax.ts';
import { rotary } from '../../attention/positions/rope-frequencies.ts';
import { projections } from '../../attention/projections.ts';
import type { Keys, Queries, Stream } from '../../attention/steps.ts';
import { activationNames } from '../../layers/activations.ts';
import { layerNorm } from '../../layers/norms.ts';
import { readRope } from '../../load/rope-config.ts';
import type { DecoderFamily } from '../family.ts';
import { parallelBlock } from '../parts/blocks.ts';
import { ignoreHarmless, readSizes } from '../parts/config.ts';
import { plainMlp } from '../parts/mlp.ts';
import { vocabulary } from '../parts/vocabulary.ts';

export const family: DecoderFamily = {
  name: 'phi',
  modelTypes: ['phi'],
  title: 'Phi-1, Phi-1.5, Phi-2',
  source: '2306.11644',
  about: 'Both parts read one norm in parallel, RoPE on part of each head, biases throughout.',
  gguf: ['phi2'],
  build(c) {
    const sizes = readSizes(c);
    const { L, D, M, F, V } = sizes;
    const epsilon = c.number('layer_norm_eps', { default: 1e-5 });
    const turn = rotary(readRope(c, { ...sizes, partial: 0.5 }), D);
    const normed = c.bool('qk_layernorm', { default: false });
    const activation = c.oneOf('hidden_act', activationNames, { default: 'gelu_new' });
    const tied = c.bool('tie_word_embeddings', { default: false });
    c.ignore(['tokenizer_class']);
    ignoreHarmless(c);
    const embedding = 'model.embed_tokens';
    return {
      family: 'phi',
      sizes,
      ...vocabulary({ V, M, embedding, output: tied ? embedding : 'lm_head', outputBias: 'lm_head.bias' }),
      blocks: Array.from({ length: L }, (_, layer) => {
        const at = (name: string) => `model.layers.${layer}.${name}`;
        const { output, ...project } = projections(at, sizes, { inputs: true, output: true }, { output: 'dense' });
        const headNorms = {
          q: (x: Queries) => layerNorm(x, 'D', at('self_attn.q_layernorm'), { epsilon }),
          k: (x: Keys) => layerNorm(x, 'D', at('self_attn.k_layernorm'), { epsilon }),
        };
        const norm = (x: Stream) => layerNorm(x, 'M', at('input_layernorm'), { epsilon });
        return parallelBlock({
          attention: attention({
            ...project,
            ...(normed ? { headNorms } : {}),
            rotary: turn,
            steps: softmaxSteps({ scale: D ** -0.5, output }),
          }),
          ln1: norm,
          ln2: norm,
          mlp: plainMlp({ up: at('mlp.fc1'), down: at('mlp.fc2') }, { F, M }, activation),
        });
      }),
      norm: (x) => layerNorm(x, 'M', 'model.final_layernorm', { epsilon }),
      ignoredTensors: /\.rotary_emb\.inv_freq$/,
      ...(tied ? { tiedTensors: ['lm_head.weight'] } : {}),
    };
  },
};
