import type { AttentionHook, AttentionHooks } from '../../attention/layer.ts';
import type { Mechanism, PositionInAttention, TrainingTap } from '../../attention/mechanism.ts';
import { softmaxAttention } from '../../attention/mechanisms/softmax.ts';
import { wholeText } from '../../attention/places.ts';
import type { Stream } from '../../attention/steps.ts';
import { createHooks } from '../../models/hooks.ts';
import { rename, type Tensor } from '../../tensor/index.ts';

export interface OneHeadOptions {
  readonly T: number;
  readonly M: number;
  /** Default: positions are in the stream, or nowhere. */
  readonly position?: PositionInAttention;
  /** Default: softmax attention. */
  readonly mechanism?: Mechanism;
  readonly training?: TrainingTap | undefined;
}

/** What the hook points of one attention layer held; those that the mechanism does not have are absent. */
export type Seen = { readonly [N in AttentionHook]?: Tensor<AttentionHooks[N]> };

/** One causal head as wide as the stream, `attn.{q,k,v,o}_proj` without biases: the attention of the toys. */
export function oneHead(
  x: Stream,
  { T, M, position = {}, mechanism = softmaxAttention(), training }: OneHeadOptions,
): { readonly output: Stream; readonly seen: Seen } {
  const seen: Record<string, Tensor<string>> = {};
  const hook = createHooks({
    watched: true,
    reads: (name) => name.startsWith('blocks.0.attn.'),
    read: (name, value) => {
      seen[name.slice('blocks.0.'.length)] = value;
    },
  }).block(0);
  const places = wholeText(T);
  const layer = mechanism.attention({
    at: (name) => name.replace('self_attn.', 'attn.'),
    sizes: { H: 1, G: 1, D: M, M },
    ...{ position, context: T, layer: 0, layers: 1, epsilon: 1e-5 },
    ...(training ? { training } : {}),
  });
  const kv = layer.keysAndValues(rename(x, 'T', 'S'), places, hook);
  return { output: layer.attend(x, kv, places, hook), seen: seen as Seen };
}
