import { rotary } from '../../attention/positions/rope-frequencies.ts';
import type { Stream } from '../../attention/steps.ts';
import { activationNames } from '../../layers/activations.ts';
import { layerNorm } from '../../layers/norms.ts';
import type { ConfigReader } from '../../load/config.ts';
import { readRopeByLayerType } from '../../load/rope-config.ts';
import { gather, type Tensor, weight } from '../../tensor/index.ts';
import type { Family } from '../family.ts';
import { readWindows } from '../parts/config.ts';
import { onlyEncoder, rootOf, taskOf } from '../parts/encoder-config.ts';
import { readEvenSizes } from '../parts/even-sizes.ts';
import { modernBertBlock } from '../parts/modernbert-block.ts';
import {
  answerSpan,
  dense,
  firstToken,
  joinHeads,
  maskedHead,
  meanToken,
  type Pooled,
  textClasses,
  tokenClasses,
} from '../parts/text-heads.ts';

/** One base for layers that see everything, one for those with a window. */
function readBases(c: ConfigReader, D: number) {
  for (const key of ['rope_theta', 'rope_scaling'])
    if (c.has(key)) throw c.error(key, 'nothing: ModernBERT has global_rope_theta and local_rope_theta');
  const base = { min: 1 };
  const theta = c.number('global_rope_theta', { ...base, default: 160_000 });
  const localTheta = c.number('local_rope_theta', { ...base, default: 10_000 });
  const ropes = readRopeByLayerType(c, { theta, localTheta });
  return { full: rotary(ropes.full_attention, D), window: rotary(ropes.sliding_attention, D) };
}

export const family: Family = {
  name: 'modernbert',
  modelTypes: ['modernbert'],
  title: 'ModernBERT, Ettin encoders, GTE-ModernBERT',
  source: '2412.13663',
  about:
    'Two layers of three see a window only and have a RoPE base of their own; norms before both parts, none before the first attention; gated feed-forward.',
  gguf: ['modern-bert'],
  build(c, checkpoint) {
    const sizes = readEvenSizes(c, {
      width: ['hidden_size'],
      heads: ['num_attention_heads'],
      layers: ['num_hidden_layers'],
      positions: 'max_position_embeddings',
    });
    const { L, D, M, V } = sizes;
    const F = c.int('intermediate_size', { min: 1, max: 1 << 22 });
    const epsilon = c.number('norm_eps', { default: 1e-5 });
    const turns = readBases(c, D);
    const period = c.int('global_attn_every_n_layers', { min: 1, default: 3 });
    // Tokens on both sides together.
    const local = c.int('local_attention', { min: 0, default: 128 });
    const windows = readWindows(c, L, (layer) => layer % period !== 0, Math.floor(local / 2) + 1);
    const activation = c.oneOf('hidden_activation', activationNames, { default: 'gelu' });
    const headActivation = c.oneOf('classifier_activation', activationNames, { default: 'gelu' });
    const tied = c.bool('tie_word_embeddings', { default: true });
    const flag = (key: string, usual: boolean) => c.bool(key, { default: usual });
    const bias = {
      attention: flag('attention_bias', false),
      mlp: flag('mlp_bias', false),
      norm: flag('norm_bias', false),
      head: flag('classifier_bias', false),
      logits: flag('decoder_bias', true),
    };
    const pooling = c.oneOf('classifier_pooling', ['cls', 'mean'], { default: 'cls' });
    // Of training, of what is compiled and computes the same, and of other software.
    c.ignore(['sparse_prediction', 'sparse_pred_ignore_index', 'repad_logits_with_grad', 'layer_norm_eps']);
    c.ignore([
      'initializer_cutoff_factor',
      'mlp_dropout',
      'deterministic_flash_attn',
      'reference_compile',
      'cls_token_id',
    ]);
    for (const key of ['is_causal', 'causal_mask']) c.oneOf(key, [false], { default: false });
    onlyEncoder(c);
    const root = rootOf(checkpoint, 'model.', 'embeddings.tok_embeddings');
    const has = (name: string) => checkpoint.tensors.has(name);
    const norm = (name: string) => (x: Stream) => layerNorm(x, 'M', name, { epsilon, bias: bias.norm });
    const embedding = `${root}embeddings.tok_embeddings`;

    const hidden = <X extends Stream | Pooled>(x: X): X => {
      const y = dense(x, 'head.dense', { from: M }, headActivation, { bias: bias.head });
      return layerNorm(y as Pooled, 'M', 'head.norm', { epsilon, bias: bias.norm }) as X;
    };
    const classifier = { checkpoint, name: 'classifier', M };
    const classes = () => {
      const tasks = ['SequenceClassification', 'MultipleChoice', 'TokenClassification', 'QuestionAnswering'] as const;
      const task = taskOf(c, checkpoint, tasks);
      if (task === 'TokenClassification') return tokenClasses(classifier, hidden);
      if (task === 'QuestionAnswering') return answerSpan(classifier, hidden);
      const pool = pooling === 'cls' ? firstToken : meanToken;
      return textClasses(classifier, (x, places) => hidden(pool(x, places)));
    };
    const masked = () =>
      maskedHead({
        ...{ checkpoint, sizes, epsilon, activation: headActivation },
        ...{ dense: 'head.dense', norm: 'head.norm', output: 'decoder' },
        bias: bias.logits ? ['decoder.bias'] : [],
        tied: tied ? embedding : undefined,
        biases: { dense: bias.head, norm: bias.norm },
      });
    const heads = has('classifier.weight') ? classes() : has('head.dense.weight') ? masked() : undefined;
    return {
      family: 'modernbert',
      sizes,
      causal: false,
      embed: (ids: Tensor<'B' | 'T'>) =>
        norm(`${root}embeddings.norm`)(gather(weight(`${embedding}.weight`, { V, M }), ids, 'V')),
      blocks: windows.map((window, layer) =>
        modernBertBlock({
          at: (name) => `${root}layers.${layer}.${name}`,
          sizes: { ...sizes, F },
          ...{ epsilon, activation, window, bias },
          rotary: window === undefined ? turns.full : turns.window,
          first: layer === 0,
        }),
      ),
      norm: norm(`${root}final_norm`),
      ...joinHeads([heads]),
    };
  },
};
