import { keepsAttention, type LayerPlan } from '../attention/layer-plans.ts';
import type { TrainingTap } from '../attention/mechanism.ts';
import type { Places } from '../attention/places.ts';
import type { Stream } from '../attention/steps.ts';
import { InputError } from '../error.ts';
import type { Decoder } from '../models/decoder.ts';
import { constant, expand, gather, stopGradient, type Tensor, weight } from '../tensor/index.ts';
import { type MapStart, mappedBlocks } from './map-sources.ts';
import { type SmallDecoderOptions, smallDecoder } from './small-decoder.ts';

export interface DeconstructedOptions extends SmallDecoderOptions {
  /**
   * What the queries and keys of replaced layers are made of. `embeddings` (StaticEmbQK): the tokens' embeddings. `random` (RndEmbQK): a
   * second stream that starts with a table [context, M] that is drawn once and never trained. A text (FixedSeqQK): a second stream that
   * starts with the embeddings of these ids, of the same trained table; at least `context` of them.
   */
  readonly maps: 'embeddings' | 'random' | { readonly ids: readonly number[] };
  /** Which layers keep standard attention. Default `uniform`: none. */
  readonly plan?: LayerPlan;
}

/** Name of the table behind `random`: a stored tensor without gradient, drawn like an embedding. */
export const randomMaps = 'model.embed_maps.weight';

/**
 * A small decoder whose attention maps do not come from the layer's own input (2510.11602), with the parameters of `smallDecoder`. Whole
 * texts of one length only: it has no decoding by tokens. Throws an InputError for a text shorter than the context.
 */
export function deconstructedDecoder(options: DeconstructedOptions): Decoder {
  const { sizes, maps, plan = 'uniform' } = options;
  const base = smallDecoder(options);
  const { blocks, embedded } = mappedBlocks(
    base.blocks,
    (layer) => !keepsAttention(plan, layer, sizes.L),
    startOf(options, base, maps),
  );
  return {
    ...base,
    family: 'deconstructed small decoder',
    blocks,
    embed: (ids, positions) => embedded(base.embed(ids, positions)),
  };
}

function startOf(
  { context, sizes, training }: DeconstructedOptions,
  base: Decoder,
  maps: DeconstructedOptions['maps'],
): MapStart {
  if (maps === 'embeddings') return maps;
  if (maps === 'random') return (places) => randomStart(places, { P: context, M: sizes.M }, training);
  const wrong = maps.ids.find((id) => !Number.isSafeInteger(id) || id < 0 || id >= sizes.V);
  if (wrong !== undefined)
    throw new InputError(`deconstructed decoder: expected maps.ids from 0 to ${sizes.V - 1}, got ${wrong}`);
  if (maps.ids.length < context)
    throw new InputError(
      `deconstructed decoder: expected maps.ids to be at least as long as the context, ${context}, got ${maps.ids.length}`,
    );
  return (places) => {
    const ids = gather(constant(maps.ids, { P: maps.ids.length }, 'int64'), positionsOf(places, maps.ids.length), 'P');
    return base.embed(expand(ids, { B: 1 }), places.queryPositions);
  };
}

function randomStart(
  places: Places,
  size: { readonly P: number; readonly M: number },
  training: TrainingTap | undefined,
): Stream {
  const table = weight(randomMaps, size);
  training?.buffer(randomMaps, table as unknown as Tensor<string>);
  return expand(gather(stopGradient(table), positionsOf(places, size.P), 'P'), { B: 1 });
}

/** Beyond what is stored there is no map. */
function positionsOf({ queryPositions }: Places, stored: number): Tensor<'T'> {
  const T = queryPositions.node.axes.get('T')?.constant;
  if (T !== undefined && T > stored)
    throw new InputError(`deconstructed decoder: there are maps for ${stored} positions, the text has ${T}`);
  return queryPositions as Tensor<'T'>;
}

/** The layers of a trained hybrid that keep standard attention, the others deleted and nothing retrained ("skip" in 2510.11602). */
export function withoutReplaced(decoder: Decoder, plan: LayerPlan): Decoder {
  const { L } = decoder.sizes;
  const blocks = decoder.blocks.filter((_, layer) => keepsAttention(plan, layer, L));
  return { ...decoder, sizes: { ...decoder.sizes, L: blocks.length }, blocks };
}
