import { attention } from '../../attention/attention.ts';
import { softmaxSteps } from '../../attention/normalisers/softmax.ts';
import { rotary } from '../../attention/positions/rope-frequencies.ts';
import type { Queries, Stream } from '../../attention/steps.ts';
import { activationNames, activations } from '../../layers/activations.ts';
import { linear } from '../../layers/linear.ts';
import { rmsNorm } from '../../layers/norms.ts';
import { readRope } from '../../load/rope-config.ts';
import { dot, multiply, pick, rename, slice, split, type Tensor, weight } from '../../tensor/index.ts';
import type { DecoderFamily } from '../family.ts';
import { serialBlock } from '../parts/blocks.ts';
import { ignoreHarmless, readSizes } from '../parts/config.ts';
import type { Mlp } from '../parts/mlp.ts';
import { standardDecoder } from '../parts/standard.ts';

export const family: DecoderFamily = {
  name: 'phi3',
  modelTypes: ['phi3'],
  title: 'Phi-3, Phi-4',
  source: '2404.14219',
  about:
    'Llama with one matrix for queries, keys and values, one for gate and up, and perhaps a sliding window in every layer.',
  gguf: ['phi3'],
  limits: ['LongRoPE (the releases for 128k tokens) is refused.'],
  build(c) {
    const sizes = readSizes(c);
    const { H, G, D, M, F } = sizes;
    const epsilon = c.number('rms_norm_eps', { default: 1e-5 });
    const rope = readRope(c, sizes);
    if (rope.kind !== 'default')
      throw c.error(c.has('rope_scaling') ? 'rope_scaling' : 'rope_parameters', 'RoPE that is not scaled');
    const turn = rotary(rope, D);
    const window = c.int('sliding_window', { min: 1, default: undefined });
    const activation = c.oneOf('hidden_act', activationNames, { default: 'silu' });
    const tied = c.bool('tie_word_embeddings', { default: false });
    c.oneOf('attention_bias', [false], { default: false });
    // Only scaled RoPE asks for the first; the second names code beside the weights that does the same.
    c.ignore(['original_max_position_embeddings', 'auto_map']);
    ignoreHarmless(c);
    return standardDecoder({
      family: 'phi3',
      sizes,
      epsilon,
      tied,
      block(_, at) {
        const joint = weight(at('self_attn.qkv_proj.weight'), { J: H + 2 * G, D, M });
        const part = <A extends 'B' | 'T' | 'S'>(x: Tensor<A | 'M'>, start: number, heads: number) =>
          dot(x, slice(joint, 'J', start, start + heads), 'M');
        const keys = (start: number) => (x: Tensor<'B' | 'S' | 'M'>) => rename(part(x, start, G), 'J', 'G');
        const output = (z: Queries) => linear(z, at('self_attn.o_proj'), { M }, { G, R: H / G, D });
        const both = weight(at('mlp.gate_up_proj.weight'), { J: 2, F, M });
        const mlp: Mlp = (x, hook) => {
          const gate = hook('mlp.hook_pre', dot(x, pick(both, 'J', 0), 'M'));
          const up = dot(x, pick(both, 'J', 1), 'M');
          const hidden = hook('mlp.hook_post', multiply(activations[activation](gate), up));
          return hook('mlp.hook_out', linear(hidden, at('mlp.down_proj'), { M }, { F }));
        };
        return serialBlock({
          attention: attention({
            q: (x: Stream) => split(part(x, 0, H), 'J', { G, R: H / G }),
            k: keys(H),
            v: keys(H + G),
            rotary: turn,
            steps: softmaxSteps({ scale: D ** -0.5, window, output }),
          }),
          ln1: (x) => rmsNorm(x, 'M', at('input_layernorm'), { epsilon }),
          ln2: (x) => rmsNorm(x, 'M', at('post_attention_layernorm'), { epsilon }),
          mlp,
          window,
        });
      },
    });
  },
};
