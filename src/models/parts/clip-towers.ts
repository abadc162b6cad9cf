import type { Stream } from '../../attention/steps.ts';
import { type ActivationName, activationNames } from '../../layers/activations.ts';
import { linear } from '../../layers/linear.ts';
import { layerNorm } from '../../layers/norms.ts';
import type { ConfigReader } from '../../load/config.ts';
import {
  add,
  cast,
  divide,
  dot,
  equal,
  gather,
  input,
  multiply,
  scalar,
  select,
  sqrt,
  sum,
  type Tensor,
  topMask,
  weight,
} from '../../tensor/index.ts';
import type { Block } from '../block.ts';
import type { PixelStack, TokenStack } from '../stack.ts';
import { plainMlp } from './mlp.ts';
import { embedPictures } from './pictures.ts';
import { firstToken, given } from './text-heads.ts';
import { visionBlock } from './vision-block.ts';
import {
  ignoreTowerKeys,
  readPictureSizes,
  readTowerSizes,
  type TowerSizes,
  type UsualSizes,
} from './vision-config.ts';

export interface TowerBlocks {
  /** Before the names of its weights, with a dot. */
  readonly root: string;
  readonly sizes: TowerSizes;
  readonly epsilon: number;
  readonly activation: ActivationName;
  readonly causal?: boolean;
}

/** The blocks of a tower of CLIP or SigLIP. */
export function towerBlocks({ root, sizes, epsilon, activation, causal = false }: TowerBlocks): Block[] {
  return Array.from({ length: sizes.L }, (_, layer) => {
    const full = (name: string) => `${root}encoder.layers.${layer}.${name}`;
    return visionBlock({
      sizes,
      epsilon,
      causal,
      names: {
        ...{ ln1: full('layer_norm1'), ln2: full('layer_norm2'), output: full('self_attn.out_proj') },
        ...{ q: full('self_attn.q_proj'), k: full('self_attn.k_proj'), v: full('self_attn.v_proj') },
      },
      mlp: plainMlp({ up: full('mlp.fc1'), down: full('mlp.fc2') }, sizes, activation),
    });
  });
}

/** Token table and position table of a text tower. */
export const embedTexts =
  (root: string, { V, P, M }: { readonly V: number; readonly P: number; readonly M: number }): TokenStack['embed'] =>
  (ids, positions) =>
    add(
      gather(weight(`${root}embeddings.token_embedding.weight`, { V, M }), ids, 'V'),
      gather(weight(`${root}embeddings.position_embedding.weight`, { P, M }), positions as Tensor<'T'>, 'P') as never,
    );

const usualText: UsualSizes = { M: 512, H: 8, L: 12, F: 2048 };
const usualVision: UsualSizes = { M: 768, H: 12, L: 12, F: 3072 };

interface TowerPlace {
  readonly family: string;
  /** Absent where the checkpoint holds this tower alone. */
  readonly part?: string;
  /** Before the names of its weights, with a dot. */
  readonly root: string;
  /** Projection to the space that texts and pictures share: its name and width. Default none. */
  readonly projection?: { readonly name: string; readonly E: number };
}

/** Tables that other software writes beside the weights. */
const storedPositions = (root: string) => new RegExp(`^${root.replaceAll('.', '\\.')}embeddings\\.position_ids$`);

/**
 * CLIP's picture tower, 2103.00020: a norm on the embeddings, and one on the class token alone behind the blocks.
 *
 * Outputs: `vision_model_output.pooler_output` [B, E], the class token in the shared space, and `image_embeds` [B, E], the same of length
 * one. Of a tower alone, as its library has them: `pooler_output` [B, M] before the projection, and `image_embeds` [B, E] of any length.
 */
export function clipVision(c: ConfigReader, { family, part, root, projection }: TowerPlace): PixelStack {
  c.oneOf('model_type', ['clip_vision_model'], { default: 'clip_vision_model' });
  const sizes = readTowerSizes(c, usualVision);
  const { M } = sizes;
  const { rows, columns, ...pixels } = readPictureSizes(c, { side: 224, patch: 32 });
  const epsilon = c.number('layer_norm_eps', { default: 1e-5 });
  const activation = c.oneOf('hidden_act', activationNames, { default: 'quick_gelu' });
  c.ignore(['projection_dim', 'vocab_size']);
  ignoreTowerKeys(c);
  const pooled = (x: Stream) => layerNorm(firstToken(x), 'M', `${root}post_layernorm`, { epsilon });
  return {
    family,
    ...(part === undefined ? {} : { part }),
    reads: 'pixels',
    causal: false,
    sizes: { ...withoutF(sizes), maxPositions: 1 + rows * columns },
    pixels: { ...pixels, anySize: true },
    leading: ['class'],
    embed: (pictures) =>
      layerNorm(
        embedPictures(pictures, {
          ...{ name: `${root}embeddings.patch_embedding`, M, C: pixels.C, patch: pixels.patch, bias: false },
          tokens: [`${root}embeddings.class_embedding`],
          positions: { name: `${root}embeddings.position_embedding.weight`, leading: 1, rows, columns, M },
        }),
        'M',
        `${root}pre_layrnorm`,
        { epsilon },
      ),
    blocks: towerBlocks({ root, sizes, epsilon, activation }),
    norm: (x) => x,
    outputs: shared(part, 'image_embeds', pooled, M, projection),
    ignoredTensors: storedPositions(root),
  };
}

/**
 * CLIP's text tower: causal, pooled at the end token.
 *
 * Outputs: `text_model_output.pooler_output` and `text_embeds`, as for pictures.
 */
export function clipText(c: ConfigReader, { family, part, root, projection }: TowerPlace): TokenStack {
  c.oneOf('model_type', ['clip_text_model'], { default: 'clip_text_model' });
  const sizes = readTowerSizes(c, usualText);
  const { M } = sizes;
  const V = c.int('vocab_size', { min: 1, max: 1 << 24, default: 49408 });
  const P = c.int('max_position_embeddings', { min: 1, max: 1 << 20, default: 77 });
  const epsilon = c.number('layer_norm_eps', { default: 1e-5 });
  const activation = c.oneOf('hidden_act', activationNames, { default: 'quick_gelu' });
  const end = c.int('eos_token_id', { default: 49407 });
  c.ignore(['projection_dim']);
  ignoreTowerKeys(c);
  const pooled = (x: Stream) => {
    const ids = input('ids', { B: 'B', T: 'T' }, 'int64');
    // The first configurations name the wrong id, 2; the end token is the largest of their vocabulary. The first place counts.
    const score = end === 2 ? cast(ids, 'float32') : select(equal(ids, scalar(end, 'int64')), 1, 0);
    return dot(x, select(topMask(score as Tensor<'B' | 'T'>, 'T', 1), 1, 0) as Tensor<'B' | 'T'>, 'T');
  };
  return {
    family,
    ...(part === undefined ? {} : { part }),
    sizes: { ...withoutF(sizes), V, maxPositions: P },
    embed: embedTexts(root, { V, P, M }),
    embeddedPositions: P,
    blocks: towerBlocks({ root, sizes, epsilon, activation, causal: true }),
    norm: (x) => layerNorm(x, 'M', `${root}final_layer_norm`, { epsilon }),
    lastHiddenState: 'ln_final.hook_in',
    outputs: shared(part, 'text_embeds', pooled, M, projection),
    ignoredTensors: storedPositions(root),
  };
}

/** Length one along E. */
export const unit = (x: Tensor<'B' | 'E'>): Tensor<'B' | 'E'> => divide(x, sqrt(sum(multiply(x, x), 'E')) as never);

export const withoutF = ({ F: _, ...sizes }: TowerSizes) => sizes;

/** What was pooled, and the same in the space that texts and pictures share. */
function shared(
  part: string | undefined,
  embeds: string,
  pooled: (x: Stream) => Tensor<'B' | 'M'>,
  M: number,
  projection: TowerPlace['projection'],
): NonNullable<PixelStack['outputs']> {
  const own = (x: Stream) => given(pooled(x), ['B', 'M']);
  const projected = (x: Stream) => linear(pooled(x), projection!.name, { E: projection!.E }, { M });
  const name = part === undefined ? 'pooler_output' : `${part}_model_output.pooler_output`;
  if (!projection) return { [name]: own };
  if (part === undefined) return { [name]: own, [embeds]: (x) => given(projected(x), ['B', 'E']) };
  return {
    [name]: (x) => given(projected(x), ['B', 'E']),
    [embeds]: (x) => given(unit(projected(x)), ['B', 'E']),
  };
}
