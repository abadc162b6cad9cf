import type { AttentionLayer } from '../../attention/layer.ts';
import type { Stream } from '../../attention/steps.ts';
import { InputError } from '../../error.ts';
import { add } from '../../tensor/index.ts';
import type { Block } from '../block.ts';
import { type BlockParts, serialBlock } from './blocks.ts';
import { attendMemory } from './cross-attention.ts';

export interface CrossBlockParts extends BlockParts {
  /** Attention to the memory, and the norm before it. */
  readonly cross: AttentionLayer;
  readonly lnCross: (x: Stream) => Stream;
}

/** x + attention(ln1 x), then x + cross(lnCross x, memory), then x + mlp(ln2 x): a decoder's block that looks at what an encoder gave. */
export function crossBlock(parts: CrossBlockParts): Block {
  const { cross, lnCross, ln2, mlp } = parts;
  return {
    ...serialBlock(parts),
    after(x, attention, hook, memory) {
      if (!memory) throw new InputError('memory: this block looks at what an encoder gave, and there is none');
      const own = hook('hook_resid_mid', add(x, attention));
      const looked = attendMemory(cross, hook('ln_cross.hook_out', lnCross(own)), memory, hook);
      const middle = hook('hook_resid_mid_cross', add(own, looked));
      return hook('hook_out', add(middle, mlp(hook('ln2.hook_out', ln2(middle)), hook)));
    },
  };
}
