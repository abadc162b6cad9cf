import type { AttentionHook, AttentionLayer, AttentionTap } from '../attention/layer.ts';
import type { Places } from '../attention/places.ts';
import type { Stream } from '../attention/steps.ts';
import { isWholeText } from '../attention/whole-text.ts';
import { InputError } from '../error.ts';
import type { Block } from '../models/decoder.ts';
import { runBlock } from '../models/forward.ts';
import { createHooks } from '../models/hooks.ts';
import { expand, pick, rename, size, type Tensor } from '../tensor/index.ts';
import type { Node } from '../tensor/tensor.ts';

/**
 * What queries and keys are made of, instead of the layer's own input (2510.11602). `embeddings`: the token embeddings, in every layer
 * ("StaticEmbQK"). A function: a second stream X that starts with what it gives, [B = 1, T, M], and passes through the same blocks with the
 * same weights beside the text ("RndEmbQK", "FixedSeqQK"); its maps do not depend on the text.
 */
export type MapStart = 'embeddings' | ((places: Places) => Stream);

export interface MappedBlocks {
  readonly blocks: readonly Block[];
  /** To be called with the embeddings of each text, which it gives back: `embeddings` looks for them above the stream of a layer. */
  embedded(x: Stream): Stream;
}

/** Taps nothing; keeps every step a value of its own, because the fused operator has no gradient. */
const untapped = createHooks({ watched: true }).block(0);

/**
 * Blocks whose queries and keys come from another stream where `replaced` says so; their values come from the text as before, and no
 * parameter is added. All queries of a text at once, without padding, or an InputError.
 */
export function mappedBlocks(
  blocks: readonly Block[],
  replaced: (layer: number) => boolean,
  start: MapStart,
): MappedBlocks {
  const embeddings = new WeakSet<Node>();
  /** The second stream before each block, of each text. */
  const streams = new WeakMap<Places, Stream[]>();

  function second(first: (places: Places) => Stream, layer: number, places: Places): Stream {
    const known = streams.get(places) ?? [first(places)];
    streams.set(places, known);
    while (known.length <= layer) known.push(runBlock(blocks[known.length - 1]!, known.at(-1)!, places, untapped));
    return known[layer]!;
  }

  function mapped(block: Block, layer: number): Block {
    const normed = new WeakMap<Node, Stream>();
    const source = (x: Stream, places: Places): Stream => {
      if (!isWholeText(places))
        throw new InputError(
          'maps from another stream: expected the whole text at once, got a part of its queries; run it without query chunks',
        );
      if (places.keyIsReal) throw new InputError('maps from another stream: expected texts of one length, got padding');
      const m = start === 'embeddings' ? embeddingAbove(x.node, embeddings) : second(start, layer, places);
      const made = normed.get(m.node) ?? block.before(m, untapped);
      normed.set(m.node, made);
      return start === 'embeddings' ? made : (expand(pick(made, 'B', 0), { B: size(x, 'B') }) as Stream);
    };
    return { ...block, attention: fromSource(block.attention, source) };
  }

  return {
    blocks: blocks.map((block, layer) => (replaced(layer) ? mapped(block, layer) : block)),
    embedded(x) {
      embeddings.add(x.node);
      return x;
    },
  };
}

/** A layer with queries and keys of the source and values of its own input. Its gates, where it has any, see the source. */
function fromSource(layer: AttentionLayer, source: (x: Stream, places: Places) => Stream): AttentionLayer {
  return {
    keysAndValues(x, places, hook) {
      const m = rename(source(rename(x, 'S', 'T'), places), 'T', 'S');
      const { k } = layer.keysAndValues(m, places, only(hook, 'attn.k.hook_out', 'attn.hook_rot_k'));
      const { v } = layer.keysAndValues(x, places, only(hook, 'attn.v.hook_out'));
      return { k, v };
    },
    attend: (x, kv, places, hook) => layer.attend(source(x, places), kv, places, hook),
  };
}

/** A tap that lets the other hook points pass untouched. */
function only(hook: AttentionTap, ...names: AttentionHook[]): AttentionTap {
  const tap = (name: AttentionHook, value: Tensor<never>) =>
    names.includes(name) ? hook(name, value as never) : value;
  return Object.assign(tap as unknown as AttentionTap, { watched: hook.watched });
}

/** The embeddings that a stream was made from. */
function embeddingAbove(stream: Node, embeddings: WeakSet<Node>): Stream {
  const above = new Set([stream]);
  for (const node of above) if (!embeddings.has(node)) for (const input of node.inputs) above.add(input);
  const found = [...above].filter((node) => embeddings.has(node));
  if (found.length !== 1)
    throw new InputError(
      `maps from embeddings: expected a stream made from the embeddings of one text, got ${found.length === 0 ? 'none' : found.length}; run the model from its tokens, without edits that replace the stream`,
    );
  return found[0] as unknown as Stream;
}
