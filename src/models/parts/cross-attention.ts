import { type AttentionParts, attention } from '../../attention/attention.ts';
import type { AttentionHook, AttentionLayer, AttentionTap } from '../../attention/layer.ts';
import { softmaxSteps } from '../../attention/normalisers/softmax.ts';
import { additive, type Places } from '../../attention/places.ts';
import type { Queries, Stream } from '../../attention/steps.ts';
import { add, expand, fusedAttention, iota, scalar, size, type Tensor } from '../../tensor/index.ts';
import type { Memory } from '../block.ts';
import type { BlockTap } from '../hooks.ts';

/** The hook points of attention under `cross_attn`. */
export function crossTap(hook: BlockTap): AttentionTap {
  const cross = (name: AttentionHook) => `cross_${name}` as const;
  const tap = ((name: AttentionHook, value: Tensor<string>) =>
    hook(cross(name), value as never)) as unknown as AttentionTap;
  tap.watched = (...names) => hook.watched(...names.map(cross));
  return tap;
}

export interface CrossAttentionParts extends Pick<AttentionParts, 'q' | 'k' | 'v'> {
  /** Factor on q · k. */
  readonly scale: number;
  readonly output: (z: Queries) => Stream;
}

/** Softmax attention to all of a memory but its padding. */
export function crossAttention({ scale, output, ...project }: CrossAttentionParts): AttentionLayer {
  const seen = ({ queries, keyIsReal }: Places) =>
    keyIsReal ? expand(additive(keyIsReal), { T: size(queries, 'T') }) : scalar(0);
  return attention({
    ...project,
    steps: {
      ...softmaxSteps({ scale, output }),
      mask: (scores, { keyIsReal }) => (keyIsReal ? add(scores, additive(keyIsReal) as never) : scores),
      fused: (q, k, v, places) => fusedAttention(q, k, v, seen(places), scale),
    },
  });
}

/** What attention to the memory gives for the normalised stream. */
export function attendMemory(layer: AttentionLayer, x: Stream, { x: memory, real }: Memory, hook: BlockTap): Stream {
  const [queries, keys] = [iota('T', size(x, 'T')), iota('S', size(memory, 'S'))];
  const places: Places = {
    ...{ queries, keys, queryPositions: queries, keyPositions: keys },
    ...(real ? { keyIsReal: real } : {}),
  };
  const tap = crossTap(hook);
  return layer.attend(x, layer.keysAndValues(memory, places, tap), places, tap);
}
