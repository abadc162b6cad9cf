import { keepsAttention, type LayerPlan } from '../../attention/layer-plans.ts';
import type { TrainingTap } from '../../attention/mechanism.ts';
import type { Stream } from '../../attention/steps.ts';
import { expand, stopGradient, type Tensor, weight } from '../../tensor/index.ts';
import type { StackOptions } from './stack.ts';

/** Where the attention maps of a toy's layers come from instead of their own input (2510.11602). */
export interface OtherMaps {
  /**
   * `embeddings` (StaticEmbQK): the embeddings of the text. `random` (RndEmbQK): a second stream that starts with a table drawn once.
   * `fixed text` (FixedSeqQK): one that starts with the embeddings of a text that is always the same.
   */
  readonly from: 'embeddings' | 'random' | 'fixed text';
  /** Layers that keep standard attention. Default `uniform`: none. */
  readonly plan?: LayerPlan;
}

export interface OtherMapsSite {
  readonly L: number;
  readonly T: number;
  readonly M: number;
  readonly training: TrainingTap;
  /** The fixed text [B = 1, T, M], embedded as every other text is. */
  readonly fixedText: () => Stream;
}

/** The `maps` of a stack. The random table `embed_maps.weight` [T, M] is drawn like an embedding and stays as it is. */
export function otherMaps(
  { from, plan = 'uniform' }: OtherMaps,
  { L, T, M, training, fixedText }: OtherMapsSite,
): Required<Pick<StackOptions, 'maps'>> {
  const random = () => {
    const table = weight('embed_maps.weight', { T, M });
    training.buffer('embed_maps.weight', table as unknown as Tensor<string>);
    return expand(stopGradient(table), { B: 1 });
  };
  const start = { embeddings: 'embeddings', random, 'fixed text': fixedText }[from] as 'embeddings' | (() => Stream);
  return { maps: { start, replaced: (layer) => !keepsAttention(plan, layer, L) } };
}
