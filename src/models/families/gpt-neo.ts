import { attention } from '../../attention/attention.ts';
import { softmaxSteps } from '../../attention/normalisers/softmax.ts';
import { projections } from '../../attention/projections.ts';
import { activationNames } from '../../layers/activations.ts';
import { layerNorm } from '../../layers/norms.ts';
import type { ConfigReader } from '../../load/config.ts';
import { add, gather, type Tensor, weight } from '../../tensor/index.ts';
import type { DecoderFamily } from '../family.ts';
import { serialBlock } from '../parts/blocks.ts';
import { ignoreHarmless } from '../parts/config.ts';
import { readEvenSizes } from '../parts/even-sizes.ts';
import { plainMlp } from '../parts/mlp.ts';
import { vocabulary } from '../parts/vocabulary.ts';

const kinds = ['global', 'local'] as const;
type Kind = (typeof kinds)[number];
/** Kinds of layers, and how often they come. */
type Repeated = readonly (readonly [readonly Kind[], number])[];

const isRepeated = (value: unknown): value is Repeated =>
  Array.isArray(value) &&
  value.every(
    (item) =>
      Array.isArray(item) &&
      item.length === 2 &&
      Array.isArray(item[0]) &&
      item[0].every((kind) => kinds.includes(kind as Kind)) &&
      Number.isInteger(item[1]) &&
      item[1] >= 0 &&
      item[1] <= 4096,
  );

/** Kind of each layer, from either key or from both, which must agree. */
function readKinds(c: ConfigReader, layers: number): readonly Kind[] {
  const listed = c.list('attention_layers', kinds, { length: layers, default: undefined });
  const form = `a list of [["global", "local"], times] for ${layers} layers`;
  const repeated = c.value('attention_types', form, isRepeated, { default: undefined });
  if (repeated === undefined) return listed ?? c.list('attention_layers', kinds, { length: layers });
  const expanded = repeated.flatMap(([some, times]) => new Array<readonly Kind[]>(times).fill(some).flat());
  if (expanded.length !== layers) throw c.error('attention_types', form);
  if (listed?.some((kind, i) => kind !== expanded[i]))
    throw c.error('attention_types', 'the same layers as attention_layers');
  return expanded;
}

export const family: DecoderFamily = {
  name: 'gpt_neo',
  modelTypes: ['gpt_neo'],
  title: 'GPT-Neo',
  source: '10.5281/zenodo.5297715',
  about: 'Learned positions, scores that are not scaled, every other layer with a window.',
  build(c) {
    const sizes = readEvenSizes(c, {
      width: ['hidden_size'],
      heads: ['num_heads'],
      layers: ['num_layers'],
      positions: 'max_position_embeddings',
    });
    const { L, M, V, maxPositions: P } = sizes;
    const F = c.int('intermediate_size', { min: 1, max: 1 << 22, default: 4 * M });
    const epsilon = c.number('layer_norm_epsilon', { default: 1e-5 });
    const window = c.int('window_size', { min: 1, default: 256 });
    const layers = readKinds(c, L);
    const activation = c.oneOf('activation_function', activationNames, { default: 'gelu_new' });
    const tied = c.bool('tie_word_embeddings', { default: true });
    c.ignore(['embed_dropout', 'resid_dropout', 'tokenizer_class']);
    ignoreHarmless(c);
    const embedding = 'transformer.wte';
    const words = vocabulary({ V, M, embedding, output: tied ? embedding : 'lm_head' });
    return {
      family: 'gpt_neo',
      sizes,
      ...words,
      embeddedPositions: P,
      embed(ids, positions) {
        const places = gather(weight('transformer.wpe.weight', { P, M }), positions as Tensor<'T'>, 'P');
        return add(words.embed(ids, positions), places as never);
      },
      blocks: layers.map((kind, layer) => {
        const at = (name: string) => `transformer.h.${layer}.${name}`;
        const names = { folder: 'attn.attention', output: 'out_proj' };
        const { output, ...project } = projections(at, sizes, { inputs: false, output: true }, names);
        const view = kind === 'local' ? window : undefined;
        return serialBlock({
          attention: attention({ ...project, steps: softmaxSteps({ scale: 1, output, window: view }) }),
          ln1: (x) => layerNorm(x, 'M', at('ln_1'), { epsilon }),
          ln2: (x) => layerNorm(x, 'M', at('ln_2'), { epsilon }),
          mlp: plainMlp({ up: at('mlp.c_fc'), down: at('mlp.c_proj') }, { F, M }, activation),
          window: view,
        });
      }),
      norm: (x) => layerNorm(x, 'M', 'transformer.ln_f', { epsilon }),
      // Causal masks that early releases stored as tensors.
      ignoredTensors: /\.attn\.attention\.(bias|masked_bias)$/,
      ...(tied ? { tiedTensors: ['lm_head.weight'] } : {}),
    };
  },
};
