import { learnedSink } from '../../attention/normalisers/learned-sink.ts';
import { causalMask } from '../../attention/places.ts';
import { rotary } from '../../attention/positions/rope-frequencies.ts';
import { topKeys } from '../../attention/selection/indexer.ts';
import type { Stream } from '../../attention/steps.ts';
import { activationNames } from '../../layers/activations.ts';
import { linear } from '../../layers/linear.ts';
import { rmsNorm } from '../../layers/norms.ts';
import { readRope } from '../../load/rope-config.ts';
import { add, multiply, select, sigmoid, weight } from '../../tensor/index.ts';
import type { DecoderFamily } from '../family.ts';
import { ignoreHarmless } from '../parts/config.ts';
import { hyperBlock, hyperConnection, intoStreams, lastRead } from '../parts/hyper-connections.ts';
import { latentAttention } from '../parts/latent-attention.ts';
import { latentIndexer } from '../parts/latent-indexer.ts';
import { readLatentSizes, temperature } from '../parts/latent-sizes.ts';
import { gatedMlp } from '../parts/mlp.ts';
import { packedExperts } from '../parts/packed-experts.ts';
import { expert } from '../parts/routed-experts.ts';
import { readSigmoidRouter } from '../parts/sigmoid-router.ts';
import { standardDecoder } from '../parts/standard.ts';

export const family: DecoderFamily = {
  name: 'hy_v4',
  modelTypes: ['hy_v4'],
  title: 'HY-V4',
  about:
    'Latent attention over the keys that an indexer chooses, one choice for several layers; a gate on each head; several residual streams (hyper-connections); experts in all layers but the first.',
  sinks: {
    kind: 'learned logit',
    stored: 'self_attn.learnable_sink_param [H]',
    about: 'In every layer: one logit for each head beside the scores of the chosen keys.',
  },
  limits: [
    'It is not streamed: a cache would hold keys of the indexer.',
    'Among equal scores of the indexer the earlier key is chosen; the reference follows no order there.',
  ],
  build(c) {
    for (const key of ['intermediate_size', 'max_position_embeddings']) c.int(key, { min: 1 });
    const { sizes, still, turning, values } = readLatentSizes(c);
    const { M, H, L, D } = sizes;
    const width = { min: 1, max: 1 << 22 };
    const latents = {
      queryLatent: c.int('q_lora_rank', { ...width, default: 1536 }),
      keyValueLatent: c.int('kv_lora_rank', { ...width, default: 512 }),
    };
    const epsilon = c.number('rms_norm_eps', { default: 1e-5 });
    const rope = readRope(c, sizes);
    const bias = c.bool('attention_bias', { default: false });
    const indexer = {
      heads: c.int('index_n_heads', { min: 1, max: 1 << 14, default: 16 }),
      D: c.int('index_head_dim', { min: turning, max: 1 << 14, default: 128 }),
    };
    const keep = c.int('index_topk', { min: 1, default: 2048 });
    c.list('layer_types', ['indexed_attention'], { length: L, default: undefined });
    const choices = c.list('indexer_types', ['full', 'shared'], { length: L, default: undefined });
    const choosesItself = (layer: number) =>
      choices ? choices[layer] === 'full' : layer === 0 || (layer - 1) % 4 === 0;
    if (!choosesItself(0)) throw c.error('indexer_types', 'a first layer that is "full": there is none to share with');
    const streams = {
      streams: c.int('hc_mult', { min: 1, max: 64, default: 4 }),
      ...{ M, epsilon, floor: c.number('hc_eps', { default: 1e-6 }) },
    };
    const magnitude = c.number('hc_magnitude', { default: 2 });
    const activation = c.oneOf('hidden_act', activationNames, { default: 'silu' });
    const kinds = c.list('mlp_layer_types', ['dense', 'sparse'], { length: L, default: undefined });
    const sparse = (layer: number) => (kinds ? kinds[layer] === 'sparse' : layer > 0);
    const F = c.int('moe_intermediate_size', { ...width, default: 768 });
    const sharedF = F * c.int('n_shared_experts', { min: 1, max: 4096, default: 1 });
    const limit = c.number('swiglu_limit', { min: 1e-6, default: 10 });
    const { E, shares } = readSigmoidRouter(c, { experts: 256, chosen: 8, scale: 2.827 });
    const chosen = c.int('num_experts_per_tok', { min: 1, max: E, default: Math.min(8, E) });
    const tied = c.bool('tie_word_embeddings', { default: false });
    // The family's own code puts the width of the turning part there. Sinks before training; layers that predict further tokens.
    c.ignore(['head_dim', 'learnable_sink_init', 'num_nextn_predict_layers']);
    ignoreHarmless(c);

    const name = (layer: number) => (weightName: string) => `model.layers.${layer}.${weightName}`;
    const chooserOf = (layer: number): number => (choosesItself(layer) ? layer : chooserOf(layer - 1));
    const decoder = standardDecoder({
      family: 'hy_v4',
      sizes: { ...sizes, streams: streams.streams },
      epsilon,
      tied,
      norm(x) {
        const [fn, base, scale] = ['fn', 'base', 'scale'].map((part) => `model.hc_pre.hc_head.hc_head_${part}`);
        const names = { fn: fn!, base: base!, scale: scale! };
        return rmsNorm(lastRead(x, names, streams), 'M', 'model.norm', { epsilon });
      },
      block(layer, at) {
        const chooser = chooserOf(layer);
        const choice = latentIndexer({
          ...{ at: name(chooser), M, bias, epsilon, ...indexer },
          queryLatent: latents.queryLatent,
          rotary: rotary(rope, turning),
        });
        const connection = (part: 'attn' | 'mlp') => {
          const weightOf = (kind: string) => at(`hc_pre.hc_${part}_layer.hc_${kind}`);
          const names = { fn: weightOf('fn'), base: weightOf('base'), scale: weightOf('scale') };
          return hyperConnection(names, streams, { by: 'identity', magnitude });
        };
        const layerAttention = latentAttention({
          ...{ at, M, H, still, turning, values, bias, ...latents },
          scale: D ** -0.5 * temperature(rope),
          rotary: rotary(rope, turning),
          more: (x, places, earlier) => ({ index: choice.keys(chooser === layer ? x : earlier!, places) }),
          change(plain, { x, earlier, more, places, hook }) {
            const gate = sigmoid(linear(x, at('self_attn.linear_gate'), { G: H, R: 1, D: values }, { M }));
            const own = choice.scores(chooser === layer ? x : earlier!, more!.index!, places);
            const scores = hook('attn.hook_index_scores', own);
            const chosenKeys = topKeys(scores, causalMask(places), keep);
            return {
              ...plain,
              mask: (all) => add(all, select(chosenKeys, 0, Number.NEGATIVE_INFINITY) as never),
              normalise: learnedSink(weight(at('self_attn.learnable_sink_param'), { G: H, R: 1 })),
              output: (z) => plain.output(multiply(z, hook('attn.hook_gate', gate))),
            };
          },
        });
        const over = (weightName: string) => (x: Stream) => rmsNorm(x, 'M', at(weightName), { epsilon });
        // What others call gate_proj.
        const named = (weightName: string) => at(weightName.replace('gate_proj', 'linear_gate'));
        const sharedNames = {
          gate: at('mlp.shared_experts.linear_gate'),
          up: at('mlp.shared_experts.up_proj'),
          down: at('mlp.shared_experts.down_proj'),
        };
        return {
          ...hyperBlock({
            attention: layerAttention,
            connections: { attention: connection('attn'), mlp: connection('mlp') },
            ln1: over('input_layernorm'),
            ln2: over('post_attention_layernorm'),
            mlp: sparse(layer)
              ? packedExperts(at, {
                  ...{ M, F, E, chosen, activation: 'silu', limit, shares: shares(at) },
                  shared: (x) => expert(x, sharedNames, { F: sharedF, M }, activation),
                })
              : gatedMlp(named, sizes, activation),
            learnedSink: true,
          }),
          choosesKeys: keep,
          ...(chooser === layer ? {} : { looksBackTo: chooser }),
        };
      },
    });
    return {
      ...decoder,
      embed: (ids, positions) => intoStreams(decoder.embed(ids, positions), streams.streams),
      ignoredTensors: /\.rotary_emb\.inv_freq$|^model\.mtp_layers\./,
    };
  },
};
