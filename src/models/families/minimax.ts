import { attention } from '../../attention/attention.ts';
import { miniMaxLightning } from '../../attention/mechanisms/lightning-attention.ts';
import { softmaxSteps } from '../../attention/normalisers/softmax.ts';
import { rotary } from '../../attention/positions/rope-frequencies.ts';
import { projections } from '../../attention/projections.ts';
import { rmsNorm } from '../../layers/norms.ts';
import { readRope } from '../../load/rope-config.ts';
import type { DecoderFamily } from '../family.ts';
import { ignoreHarmless, readSizes } from '../parts/config.ts';
import { normedResidualBlock } from '../parts/residual-blocks.ts';
import { routedExperts, softmaxShares } from '../parts/routed-experts.ts';
import { standardDecoder } from '../parts/standard.ts';

export const family: DecoderFamily = {
  name: 'minimax',
  modelTypes: ['minimax'],
  title: 'MiniMax-Text-01',
  source: '2501.08313',
  about: 'Linear (lightning) attention in most layers and softmax in the others, experts, residuals past the norms.',
  gguf: ['minimax-01'],
  sinks: {
    kind: 'unnormalised rows',
    stored: 'nothing',
    about: 'In the linear layers rows of weights sum to anything; those of the softmax layers sum to one.',
  },
  limits: ['It cannot be streamed yet: most layers keep a state.'],
  build(c) {
    const sizes = readSizes(c);
    const { M, F, H, L } = sizes;
    const epsilon = c.number('rms_norm_eps', { default: 1e-5 });
    const turn = rotary(readRope(c, { ...sizes, theta: 1e6 }), sizes.D);
    const window = c.int('sliding_window', { min: 1, default: undefined });
    const types = c.list('layer_types', ['linear_attention', 'full_attention'], { length: L, default: undefined });
    const isLinear = (layer: number) => (types ? types[layer] === 'linear_attention' : layer % 2 === 1);
    const block = c.int('block_size', { min: 1, default: 256 });
    const activation = c.oneOf('hidden_act', ['silu', 'swish'], { default: 'silu' });
    const E = c.int('num_local_experts', { min: 1, max: 4096, default: 8 });
    const chosen = c.int('num_experts_per_tok', { min: 1, max: E, default: Math.min(2, E) });
    const factors = (part: string) => ({
      past: c.number(`${part}_alpha_factor`, { default: 1 }),
      added: c.number(`${part}_beta_factor`, { default: 1 }),
    });
    const [full, linear, mlp] = [factors('full_attn'), factors('linear_attn'), factors('mlp')];
    const tied = c.bool('tie_word_embeddings', { default: false });
    // Noise on the stream in training.
    c.ignore(['router_jitter_noise']);
    ignoreHarmless(c);
    const lightning = miniMaxLightning({ block });
    const decoder = standardDecoder({
      family: 'minimax',
      sizes,
      epsilon,
      tied,
      block(layer, at) {
        const site = { at, sizes, layer, layers: L, epsilon, context: sizes.maxPositions, position: {} };
        const { output, ...project } = projections(at, sizes, { inputs: false, output: false });
        const steps = softmaxSteps({ scale: sizes.D ** -0.5, window, output });
        return normedResidualBlock({
          ...(isLinear(layer)
            ? { attention: lightning.attention(site), keyValueHeads: H, rows: lightning.rows }
            : { attention: attention({ ...project, rotary: turn, steps }), window }),
          ln1: (x) => rmsNorm(x, 'M', at('input_layernorm'), { epsilon }),
          ln2: (x) => rmsNorm(x, 'M', at('post_attention_layernorm'), { epsilon }),
          mlp: routedExperts({
            ...{ M, F, E, activation, router: at('block_sparse_moe.gate') },
            expert(index) {
              const one = at(`block_sparse_moe.experts.${index}`);
              return { gate: `${one}.w1`, up: `${one}.w3`, down: `${one}.w2` };
            },
            shares: softmaxShares(chosen, true),
          }),
          factors: { attention: isLinear(layer) ? linear : full, mlp },
        });
      },
    });
    // Tables of the decay by block, which follow from the head and the layer.
    return { ...decoder, ignoredTensors: /\.(inv_freq|slope_rate|query_decay|key_decay|diagonal_decay)$/ };
  },
};
