import { depthwise, withPast } from '../../attention/convolutions/causal-convolution.ts';
import type { AttentionLayer } from '../../attention/layer.ts';
import type { Keys, Stream } from '../../attention/steps.ts';
import { expectWholeText } from '../../attention/whole-text.ts';
import { linear } from '../../layers/linear.ts';
import { multiply, pick, rename, select, type Tensor, weight } from '../../tensor/index.ts';

export interface ShortConvolutionOptions {
  /** Full name of a weight of the layer. */
  readonly at: (name: string) => string;
  readonly M: number;
  /** Tokens that the convolution sees, itself included. */
  readonly taps: number;
  readonly bias: boolean;
}

/**
 * LFM's layers without attention: x → (b, c, u) by one projection, c ⊙ convolution(b ⊙ u), and a projection back. They stand where attention
 * does in other blocks, and have none of its hook points. Only for whole texts.
 */
export function shortConvolution({ at, M, taps, bias }: ShortConvolutionOptions): AttentionLayer {
  const parts = <A extends string>(x: Tensor<A>) =>
    linear(x as unknown as Tensor<'M'>, at('conv.in_proj'), { J: 3, G: 1, D: M }, { M }, { bias }) as Tensor<
      'J' | 'G' | 'D'
    >;
  const filters = weight(at('conv.conv.weight'), { G: 1, D: M, tap: taps });
  const shift = bias ? weight(at('conv.conv.bias'), { G: 1, D: M }) : undefined;
  return {
    keysAndValues(x, { keyIsReal }) {
      const all = parts(keyIsReal ? select(keyIsReal, x, 0) : x);
      const v = multiply(pick(all, 'J', 0), pick(all, 'J', 2)) as unknown as Keys;
      return { k: v, v };
    },
    attend(x, { v }, places) {
      expectWholeText('short convolution', places);
      const text = rename(v, 'S', 'T') as Tensor<'T' | 'G' | 'D'>;
      const mixed = depthwise(withPast(text, 'T', taps - 1), 'T', filters, shift);
      const z = multiply(pick(parts(x), 'J', 1) as Tensor<'T' | 'G' | 'D'>, mixed);
      return linear(z, at('conv.out_proj'), { M }, { G: 1, D: M }, { bias }) as unknown as Stream;
    },
  };
}
