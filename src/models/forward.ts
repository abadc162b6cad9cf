import type { Places } from '../attention/places.ts';
import type { Stream } from '../attention/steps.ts';
import { rename, type Tensor } from '../tensor/index.ts';
import type { Block, Decoder } from './decoder.ts';
import type { BlockTap, Hooks } from './hooks.ts';

/** One block over queries and keys of the same text. */
export function runBlock(block: Block, x: Stream, places: Places, hook: BlockTap): Stream {
  const stream = hook('hook_in', x);
  const normed = block.before(stream, hook);
  const kv = block.attention.keysAndValues(rename(normed, 'T', 'S'), places, hook);
  return block.after(stream, block.attention.attend(normed, kv, places, hook), hook);
}

/** The residual stream after the final norm. */
export function hidden(decoder: Decoder, ids: Tensor<'B' | 'T'>, places: Places, hooks: Hooks): Stream {
  let x = hooks.outer('embed.hook_out', decoder.embed(ids, places.queryPositions));
  decoder.blocks.forEach((block, layer) => {
    x = runBlock(block, x, places, hooks.block(layer));
  });
  return hooks.outer('ln_final.hook_out', decoder.norm(hooks.outer('ln_final.hook_in', x)));
}

/** Logits at every position. */
export function logits(
  decoder: Decoder,
  ids: Tensor<'B' | 'T'>,
  places: Places,
  hooks: Hooks,
): Tensor<'B' | 'T' | 'V'> {
  return hooks.outer('unembed.hook_out', decoder.unembed(hidden(decoder, ids, places, hooks)));
}
