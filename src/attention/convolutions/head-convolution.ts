import { type Tensor, weight } from '../../tensor/index.ts';
import { depthwise, withPast } from './causal-convolution.ts';

/** Depthwise causal convolutions of queries, keys and values, each with filters of its own; without activation. */
export interface HeadFilters {
  /** One filter for each of the D components, `shared` by all heads, or `separate` for each head. */
  readonly filters: 'shared' | 'separate';
  /** The current token and those before it, at least 1. */
  readonly taps: number;
}

/** Stored filters `{name}.weight` [channels, taps], oldest first, and `{name}.bias`. */
export function headConvolution<H extends 'G' | 'R'>(
  name: string,
  heads: Readonly<Record<H, number>>,
  D: number,
  { filters, taps }: HeadFilters,
) {
  const channels = (filters === 'separate' ? { ...heads, D } : { D }) as { readonly D: number };
  const stored = {
    weight: weight(`${name}.weight`, { ...channels, tap: taps }),
    bias: weight(`${name}.bias`, channels),
  };
  return <P extends 'T' | 'S'>(x: Tensor<'B' | P | H | 'D'>, time: P, past?: Tensor<'B' | P | H | 'D'>) =>
    depthwise(
      withPast(x as Tensor<'T' | 'D'>, time as 'T', taps - 1, past as Tensor<'T' | 'D'> | undefined),
      time as 'T',
      stored.weight,
      stored.bias,
    ) as unknown as Tensor<'B' | P | H | 'D'>;
}
