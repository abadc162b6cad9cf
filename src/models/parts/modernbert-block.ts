import { attention } from '../../attention/attention.ts';
import { softmaxSteps } from '../../attention/normalisers/softmax.ts';
import type { Rotary } from '../../attention/positions/rope.ts';
import type { Queries, Stream } from '../../attention/steps.ts';
import { type ActivationName, activations } from '../../layers/activations.ts';
import { linear } from '../../layers/linear.ts';
import { layerNorm } from '../../layers/norms.ts';
import { add, dot, multiply, pick, type Tensor, weight } from '../../tensor/index.ts';
import type { Block } from '../block.ts';
import { serialBlock } from './blocks.ts';
import type { Mlp } from './mlp.ts';

export interface ModernBertBlockOptions {
  /** Full name of a weight of the layer. */
  readonly at: (name: string) => string;
  readonly sizes: { readonly H: number; readonly D: number; readonly M: number; readonly F: number };
  readonly epsilon: number;
  readonly activation: ActivationName;
  readonly rotary: Rotary;
  /** |i − k| < window. Undefined: queries see all keys. */
  readonly window: number | undefined;
  readonly bias: { readonly attention: boolean; readonly mlp: boolean; readonly norm: boolean };
  /** The stream of the first block was normed before it. */
  readonly first: boolean;
}

/** ModernBERT's block: norms before both parts, queries, keys and values in one matrix [3, H, D, M], gate and up in one [2, F, M]. */
export function modernBertBlock(options: ModernBertBlockOptions): Block {
  const { at, sizes, epsilon, activation, rotary, window, bias, first } = options;
  const { H, D, M, F } = sizes;
  const heads = { G: H, R: 1, D };
  const norm = (name: string) => (x: Stream) => layerNorm(x, 'M', at(name), { epsilon, bias: bias.norm });
  const joint = <A extends 'B' | 'T' | 'S'>(x: Tensor<A | 'M'>, part: 0 | 1 | 2) => {
    const y = dot(x, pick(weight(at('attn.Wqkv.weight'), { J: 3, ...heads, M }), 'J', part), 'M');
    return bias.attention ? add(y, pick(weight(at('attn.Wqkv.bias'), { J: 3, ...heads }), 'J', part)) : y;
  };
  const keys = (part: 1 | 2) => (x: Tensor<'B' | 'S' | 'M'>) => pick(joint(x, part), 'R', 0);
  const output = (z: Queries) => linear(z, at('attn.Wo'), { M }, heads, { bias: bias.attention });
  const half = (x: Stream, part: 0 | 1) => {
    const y = dot(x, pick(weight(at('mlp.Wi.weight'), { J: 2, F, M }), 'J', part), 'M');
    return bias.mlp ? add(y, pick(weight(at('mlp.Wi.bias'), { J: 2, F }), 'J', part)) : y;
  };
  const mlp: Mlp = (x, hook) => {
    const gate = activations[activation](hook('mlp.hook_pre', half(x, 0)));
    const hidden = hook('mlp.hook_post', multiply(gate, half(x, 1)));
    return hook('mlp.hook_out', linear(hidden, at('mlp.Wo'), { M }, { F }, { bias: bias.mlp }));
  };
  return serialBlock({
    attention: attention({
      q: (x: Stream) => joint(x, 0),
      k: keys(1),
      v: keys(2),
      rotary,
      steps: softmaxSteps({ scale: D ** -0.5, window, causal: false, output }),
    }),
    ln1: first ? (x) => x : norm('attn_norm'),
    ln2: norm('mlp_norm'),
    mlp,
    window,
  });
}
