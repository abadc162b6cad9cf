import type { Stream } from '../../attention/steps.ts';
import { type ActivationName, activationNames, activations } from '../../layers/activations.ts';
import { linear } from '../../layers/linear.ts';
import { layerNorm } from '../../layers/norms.ts';
import type { ConfigReader } from '../../load/config.ts';
import { add, dot, multiply, pick, rename, size, slice, softmax, type Tensor, weight } from '../../tensor/index.ts';
import type { PixelStack, TokenStack } from '../stack.ts';
import { embedTexts, towerBlocks, unit, withoutF } from './clip-towers.ts';
import { embedPictures } from './pictures.ts';
import { given } from './text-heads.ts';
import {
  ignoreTowerKeys,
  readPictureSizes,
  readTowerSizes,
  type TowerSizes,
  type UsualSizes,
} from './vision-config.ts';

const usual: UsualSizes = { M: 768, H: 12, L: 12, F: 3072 };

interface TowerPlace {
  readonly family: string;
  /** Absent where the checkpoint holds this tower alone. */
  readonly part?: string;
  /** Before the names of its weights, with a dot. */
  readonly root: string;
}

/** What both towers give: the vector of a picture or text, and where they are compared the same of length one. */
function shared(
  part: string | undefined,
  embeds: string,
  pooled: (x: Stream) => Tensor<'B' | 'E'>,
): NonNullable<PixelStack['outputs']> {
  if (part === undefined) return { pooler_output: (x) => given(pooled(x), ['B', 'E']) };
  return {
    [`${part}_model_output.pooler_output`]: (x) => given(pooled(x), ['B', 'E']),
    [embeds]: (x) => given(unit(pooled(x)), ['B', 'E']),
  };
}

/**
 * SigLIP's picture tower, 2303.15343: patches alone, without a class token; a learned probe looks at what the final norm gives.
 *
 * Outputs: `pooler_output` [B, E], what the probe gathered; with a text tower beside it `vision_model_output.pooler_output` and `image_embeds`.
 */
export function siglipVision(c: ConfigReader, { family, part, root }: TowerPlace): PixelStack {
  const sizes = readTowerSizes(c, usual);
  const { M } = sizes;
  const { rows, columns, ...pixels } = readPictureSizes(c, { side: 224, patch: 16 });
  const epsilon = c.number('layer_norm_eps', { default: 1e-6 });
  const activation = c.oneOf('hidden_act', activationNames, { default: 'gelu_pytorch_tanh' });
  const head = c.bool('vision_use_head', { default: true });
  c.ignore(['projection_dim']);
  ignoreTowerKeys(c);
  const pooled = (x: Stream) => pool(x, `${root}head`, sizes, epsilon, activation);
  return {
    family,
    ...(part === undefined ? {} : { part }),
    reads: 'pixels',
    causal: false,
    sizes: { ...withoutF(sizes), maxPositions: rows * columns },
    pixels: { ...pixels, anySize: true },
    leading: [],
    embed: (pictures) =>
      embedPictures(pictures, {
        ...{ name: `${root}embeddings.patch_embedding`, M, C: pixels.C, patch: pixels.patch },
        tokens: [],
        positions: { name: `${root}embeddings.position_embedding.weight`, leading: 0, rows, columns, M },
      }),
    blocks: towerBlocks({ root, sizes, epsilon, activation }),
    norm: (x) => layerNorm(x, 'M', `${root}post_layernorm`, { epsilon }),
    lastHiddenState: 'ln_final.hook_in',
    outputs: head ? shared(part, 'image_embeds', pooled) : {},
    ignoredTensors: /\.embeddings\.position_ids$/,
  };
}

/** A learned query over all patches, and a feed-forward part: [B, T, M] → [B, E = M]. */
function pool(
  x: Stream,
  root: string,
  { H, D, M, F }: TowerSizes,
  epsilon: number,
  activation: ActivationName,
): Tensor<'B' | 'E'> {
  const part = <A extends string>(of: Tensor<A | 'M'>, one: 0 | 1 | 2) => {
    const matrix = pick(weight(`${root}.attention.in_proj_weight`, { J: 3, H, D, M }), 'J', one);
    const bias = pick(weight(`${root}.attention.in_proj_bias`, { J: 3, H, D }), 'J', one);
    return add(dot(of as Tensor<'M'>, matrix, 'M'), bias) as unknown as Tensor<Exclude<A, 'M'> | 'H' | 'D'>;
  };
  const q = part<never>(weight(`${root}.probe`, { M }), 0);
  const pattern = softmax(dot(part<'B' | 'T'>(x, 1), multiply(q, D ** -0.5), 'D'), 'T');
  const mixed = dot(pattern, part<'B' | 'T'>(x, 2), 'T');
  const gathered = linear(mixed, `${root}.attention.out_proj`, { M }, { H, D }, { bias: true });
  const normed = layerNorm(gathered, 'M', `${root}.layernorm`, { epsilon });
  const hidden = activations[activation](linear(normed, `${root}.mlp.fc1`, { F }, { M }, { bias: true }));
  const fed = linear(hidden, `${root}.mlp.fc2`, { M }, { F }, { bias: true });
  return rename(add(gathered, fed), 'M', 'E');
}

/**
 * SigLIP's text tower: seen in both directions, pooled at the last position, padding or not, as it was trained with texts padded to their full length.
 *
 * Outputs: `text_model_output.pooler_output` and `text_embeds` [B, E].
 */
export function siglipText(c: ConfigReader, { family, part, root }: TowerPlace): TokenStack {
  c.oneOf('model_type', ['siglip_text_model'], { default: 'siglip_text_model' });
  const sizes = readTowerSizes(c, usual);
  const { M } = sizes;
  const V = c.int('vocab_size', { min: 1, max: 1 << 24, default: 32000 });
  const P = c.int('max_position_embeddings', { min: 1, max: 1 << 20, default: 64 });
  const E = c.int('projection_size', { min: 1, max: 1 << 20, default: M });
  const epsilon = c.number('layer_norm_eps', { default: 1e-6 });
  const activation = c.oneOf('hidden_act', activationNames, { default: 'gelu_pytorch_tanh' });
  ignoreTowerKeys(c);
  const pooled = (x: Stream) => {
    const T = size(x, 'T');
    const last = pick(slice(x, 'T', T.minus(1), T), 'T', 0);
    return linear(last, `${root}head`, { E }, { M }, { bias: true });
  };
  return {
    family,
    ...(part === undefined ? {} : { part }),
    causal: false,
    sizes: { ...withoutF(sizes), V, maxPositions: P },
    embed: embedTexts(root, { V, P, M }),
    embeddedPositions: P,
    blocks: towerBlocks({ root, sizes, epsilon, activation }),
    norm: (x) => layerNorm(x, 'M', `${root}final_layer_norm`, { epsilon }),
    lastHiddenState: 'ln_final.hook_in',
    outputs: shared(part, 'text_embeds', pooled),
    ignoredTensors: /\.embeddings\.position_ids$/,
  };
}
