import { rotary } from '../../attention/positions/rope-frequencies.ts';
import type { Stream } from '../../attention/steps.ts';
import { InputError } from '../../error.ts';
import { activationNames } from '../../layers/activations.ts';
import { rmsNorm } from '../../layers/norms.ts';
import { cast, gather, type Tensor, weight } from '../../tensor/index.ts';
import type { DecoderFamily } from '../family.ts';
import type { Router } from '../parts/chosen-experts.ts';
import { compressedAttention } from '../parts/compressed-attention.ts';
import { ignoreHarmless } from '../parts/config.ts';
import { readDeepseekV4 } from '../parts/deepseek-v4-config.ts';
import { hyperBlock, hyperConnection, intoStreams, lastRead } from '../parts/hyper-connections.ts';
import { withNames } from '../parts/renamed.ts';
import { expert, routedExperts } from '../parts/routed-experts.ts';
import { scoreShares } from '../parts/score-shares.ts';
import { vocabulary } from '../parts/vocabulary.ts';

const plainName = (name: string) =>
  name
    .replace(/^embed\./, 'model.embed_tokens.')
    .replace(/^hc_head_/, 'model.hc_head.hc_')
    .replace(/^(layers|norm)\./, 'model.$1.');

export const family: DecoderFamily = {
  name: 'deepseek_v4',
  modelTypes: ['deepseek_v4'],
  title: 'DeepSeek-V4',
  about:
    'Every layer sees a window of tokens, and most of them compressed entries of the text before it as well, of few tokens through an indexer or of many; several residual streams (hyper-connections); experts, in the first layers by a table of token ids.',
  sinks: {
    kind: 'learned logit',
    stored: 'attn.attn_sink [H]',
    about: 'In every layer: one logit for each head beside the scores of tokens and compressed entries.',
  },
  limits: [
    'Files with FP8 or FP4 weights (quantization_config) are refused.',
    'It is not streamed: a cache would hold compressed entries.',
    'Among equal scores of the indexer the earlier entry is chosen; the reference follows no order there.',
  ],
  // Releases have no `model.` before their names.
  adapt: (checkpoint) => (checkpoint.tensors.has('embed.weight') ? withNames(checkpoint, plainName) : checkpoint),
  build(c) {
    const { sizes, ropes, layers, window, indexer, latents } = readDeepseekV4(c);
    const { M, H, D, L, V, streams } = sizes;
    const epsilon = c.number('rms_norm_eps', { default: 1e-6 });
    const connected = { streams, M, epsilon, floor: c.number('hc_eps', { default: 1e-6 }) };
    const iterations = c.int('hc_sinkhorn_iters', { min: 1, max: 1000, default: 20 });
    const activation = c.oneOf('hidden_act', activationNames, { default: 'silu' });
    const limit = c.number('swiglu_limit', { min: 1e-6, default: 10 });
    const score = c.oneOf('scoring_func', ['sqrtsoftplus', 'sigmoid'], { default: 'sqrtsoftplus' });
    const F = c.int('moe_intermediate_size', { min: 1, max: 1 << 22, default: 2048 });
    c.int('intermediate_size', { min: F, max: F, default: F });
    c.oneOf('topk_method', ['noaux_tc'], { default: 'noaux_tc' });
    const E = c.int('n_routed_experts', { min: 1, max: 4096, default: 256 });
    const chosen = c.int('num_experts_per_tok', { min: 1, max: E, default: Math.min(6, E) });
    const scale = c.number('routed_scaling_factor', { default: 1.5 });
    const tied = c.bool('tie_word_embeddings', { default: false });
    // What the family's own code does not look at, refused where it would say something else.
    c.oneOf('norm_topk_prob', [true], { default: true });
    c.oneOf('n_shared_experts', [1], { default: 1 });
    c.oneOf('attention_bias', [false], { default: false });
    c.oneOf('mlp_bias', [false], { default: false });
    // Layers that predict further tokens; noise on the router in training.
    c.ignore(['num_nextn_predict_layers', 'router_jitter_noise']);
    ignoreHarmless(c);

    const turns = { main: rotary(ropes.main, D), compress: rotary(ropes.compress, D) };
    const blocks = Array.from({ length: L }, (_, layer) => {
      const at = (name: string) => `model.layers.${layer}.${name}`;
      const { rate, indexed, byTable } = layers[layer]!;
      const turn = { ...(rate === undefined ? turns.main : turns.compress), interleaved: true, last: true };
      const connection = (part: 'attn' | 'ffn') => {
        const weightOf = (kind: string) => at(`hc_${part}_${kind}`);
        const names = { fn: weightOf('fn'), base: weightOf('base'), scale: weightOf('scale') };
        return hyperConnection(names, connected, { by: 'sinkhorn', iterations });
      };
      const over = (name: string) => (x: Stream) => rmsNorm(x, 'M', at(name), { epsilon });
      const named = (root: string) => ({ gate: `${root}.w1`, up: `${root}.w3`, down: `${root}.w2` });
      const shared = named(at('ffn.shared_experts'));
      /** Experts by the router's scores and a correction, or by a table of token ids. */
      const choice = (ids: Tensor<'B' | 'T'> | undefined) => (logits: Router) => {
        const shares = scoreShares({ score, scale });
        if (!byTable) return shares.best(logits, chosen, weight(at('ffn.gate.bias'), { E }));
        if (!ids) throw new InputError('deepseek_v4: experts are chosen by token ids, and there are none');
        const table = cast(weight(at('ffn.gate.tid2eid'), { V, K: chosen }), 'int64');
        return shares.of(logits, gather(table, ids, 'V'));
      };
      return {
        ...hyperBlock({
          attention: compressedAttention({
            ...{ at, M, H, D, epsilon, rotary: turn, window, ...latents },
            ...(rate === undefined ? {} : { compression: { rate, ...(indexed ? { index: indexer } : {}) } }),
          }),
          connections: { attention: connection('attn'), mlp: connection('ffn') },
          ln1: over('attn_norm'),
          ln2: over('ffn_norm'),
          mlp: (x, hook, ids) =>
            routedExperts({
              ...{ M, F, E, activation, limit, router: at('ffn.gate') },
              expert: (index) => named(at(`ffn.experts.${index}`)),
              shares: choice(ids),
              shared: (rows) => expert(rows, shared, { F, M }, activation, limit),
            })(x, hook),
          window,
          learnedSink: true,
        }),
        ...(rate === undefined ? {} : { tokensPerEntry: rate }),
        ...(indexed ? { choosesKeys: indexer.keep } : {}),
        ...(byTable ? { readsIds: true } : {}),
      };
    });
    const embedding = 'model.embed_tokens';
    const { embed, unembed } = vocabulary({ V, M, embedding, output: tied ? embedding : 'head' });
    return {
      family: 'deepseek_v4',
      sizes,
      blocks,
      unembed,
      embed: (ids, positions) => intoStreams(embed(ids, positions), streams),
      norm(x) {
        const root = 'model.hc_head.hc';
        const names = { fn: `${root}_fn`, base: `${root}_base`, scale: `${root}_scale` };
        return rmsNorm(lastRead(x, names, connected), 'M', 'model.norm', { epsilon });
      },
      ignoredTensors: /(^|\.)mtp\./,
      ...(tied ? { tiedTensors: ['head.weight'] } : {}),
    };
  },
};
