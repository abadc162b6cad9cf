import type { Places } from '../attention/places.ts';
import type { Stream } from '../attention/steps.ts';
import { rename, type Tensor } from '../tensor/index.ts';
import type { Block, Memory } from './block.ts';
import type { Decoder } from './decoder.ts';
import type { BlockTap, Hooks } from './hooks.ts';
import { readsTokens, type Stack } from './stack.ts';

/** What a stack's blocks start from. */
export interface Embedded {
  /** The stream before the hook point of the embedding. */
  readonly x: Stream;
  readonly places: Places;
  readonly memory?: Memory | undefined;
  /** Of stacks that read tokens. */
  readonly ids?: Tensor<'B' | 'T'> | undefined;
}

/** What blocks look at beside the residual stream. */
export interface Beside extends Pick<Embedded, 'memory' | 'ids'> {
  /** What attention of each block before was given; this block's is added. */
  readonly given?: Stream[];
}

/** One block over queries and keys of the same text. */
export function runBlock(
  block: Block,
  x: Stream,
  places: Places,
  hook: BlockTap,
  { memory, ids, given = [] }: Beside = {},
): Stream {
  const stream = hook('hook_in', x);
  const normed = block.before(stream, hook);
  const earlier = block.looksBackTo === undefined ? undefined : given[block.looksBackTo];
  given.push(normed);
  const kv = block.attention.keysAndValues(
    rename(normed, 'T', 'S'),
    places,
    hook,
    earlier && rename(earlier, 'T', 'S'),
  );
  return block.after(stream, block.attention.attend(normed, kv, places, hook, earlier), hook, memory, ids);
}

/** The residual stream after the final norm. */
export function finalStream(stack: Stack, { x: embedded, places, memory, ids }: Embedded, hooks: Hooks): Stream {
  const given: Stream[] = [];
  let x = hooks.outer('embed.hook_out', embedded);
  stack.blocks.forEach((block, layer) => {
    x = runBlock(block, x, places, hooks.block(layer), { memory, ids, given });
  });
  return hooks.outer('ln_final.hook_out', stack.norm(hooks.outer('ln_final.hook_in', x)));
}

/** Logits at every position, or undefined where the stack has none. */
export function stackLogits(stack: Stack, last: Stream, hooks: Hooks): Tensor<'B' | 'T' | 'V'> | undefined {
  return readsTokens(stack) && stack.unembed ? hooks.outer('unembed.hook_out', stack.unembed(last)) : undefined;
}

/** The residual stream of a decoder after the final norm. */
export function hidden(decoder: Decoder, ids: Tensor<'B' | 'T'>, places: Places, hooks: Hooks): Stream {
  return finalStream(decoder, { x: decoder.embed(ids, places.queryPositions), places, ids }, hooks);
}

/** Logits of a decoder at every position. */
export function logits(
  decoder: Decoder,
  ids: Tensor<'B' | 'T'>,
  places: Places,
  hooks: Hooks,
): Tensor<'B' | 'T' | 'V'> {
  return hooks.outer('unembed.hook_out', decoder.unembed(hidden(decoder, ids, places, hooks)));
}
