import type { Stream } from '../../attention/steps.ts';
import { add, multiply, type Tensor } from '../../tensor/index.ts';
import type { Block } from '../decoder.ts';
import { type BlockParts, serialBlock } from './blocks.ts';

/** w ⊙ x + attention(ln1 x), then u ⊙ x + mlp(ln2 x), with weights w, u [M] on the stream that goes past (Doge). */
export function weightedResidualBlock(
  parts: BlockParts & { readonly past: { readonly attention: Tensor<'M'>; readonly mlp: Tensor<'M'> } },
): Block {
  const { past } = parts;
  return {
    ...serialBlock(parts),
    after(x, attention, hook) {
      const middle = hook('hook_resid_mid', add(multiply(x, past.attention), attention));
      const fed = parts.mlp(hook('ln2.hook_out', parts.ln2(middle)), hook);
      return hook('hook_out', add(multiply(middle, past.mlp), fed));
    },
  };
}

/** Factors of what goes past a part and of what the part gives. */
export interface ResidualFactors {
  readonly past: number;
  readonly added: number;
}

/** y = ln1 x, z = a y + b attention(y), w = ln2 z, then c w + d mlp(w): the stream that goes past is the normed one (MiniMax). */
export function normedResidualBlock(
  parts: BlockParts & { readonly factors: { readonly attention: ResidualFactors; readonly mlp: ResidualFactors } },
): Block {
  const { factors } = parts;
  const plain = serialBlock(parts);
  const join = (past: Stream, added: Stream, by: ResidualFactors) =>
    add(scaled(past, by.past), scaled(added, by.added));
  // What `before` made of each stream, with its edits: `after` is handed the stream alone.
  const normed = new WeakMap<object, Stream>();
  return {
    ...plain,
    before(x, hook) {
      const y = plain.before(x, hook);
      normed.set(x.node, y);
      return y;
    },
    after(x, attention, hook) {
      const middle = hook('hook_resid_mid', join(normed.get(x.node) ?? parts.ln1(x), attention, factors.attention));
      const y = hook('ln2.hook_out', parts.ln2(middle));
      return hook('hook_out', join(y, parts.mlp(y, hook), factors.mlp));
    },
  };
}

const scaled = (x: Stream, by: number) => (by === 1 ? x : multiply(x, by));
