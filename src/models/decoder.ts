import type { Stream } from '../attention/steps.ts';
import type { Tensor } from '../tensor/index.ts';
import type { StackSizes, TokenStack } from './stack.ts';

export type { Block } from './block.ts';

/** Sizes of a decoder by axis letter. */
export interface DecoderSizes extends StackSizes {
  readonly V: number;
}

/** A causal stack from tokens to the logits of the next one: what can be streamed and trained. */
export interface Decoder extends TokenStack {
  readonly causal?: true;
  readonly memory?: never;
  unembed(x: Stream): Tensor<'B' | 'T' | 'V'>;
}
