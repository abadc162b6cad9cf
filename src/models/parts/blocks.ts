import type { AttentionLayer } from '../../attention/layer.ts';
import type { RowSums } from '../../attention/mechanism.ts';
import type { Stream } from '../../attention/steps.ts';
import { add } from '../../tensor/index.ts';
import type { Block } from '../decoder.ts';
import type { Mlp } from './mlp.ts';

type Norm = (x: Stream) => Stream;

export interface BlockParts {
  readonly attention: AttentionLayer;
  readonly ln1: Norm;
  readonly ln2: Norm;
  readonly mlp: Mlp;
  /** Sliding window in tokens; default: full attention. */
  readonly window?: number | undefined;
  /** Default: the decoder's. */
  readonly keyValueHeads?: number | undefined;
  /** Default false. */
  readonly learnedSink?: boolean;
  /** Default false. */
  readonly rowsBeforeSink?: boolean | undefined;
  /** Default `one`. */
  readonly rows?: RowSums | undefined;
}

const common = ({
  attention,
  ln1,
  window,
  keyValueHeads,
  learnedSink = false,
  rowsBeforeSink = false,
  rows,
}: Omit<BlockParts, 'ln2' | 'mlp'>): Omit<Block, 'after'> => ({
  attention,
  before: (x, hook) => hook('ln1.hook_out', ln1(x)),
  learnedSink,
  ...(window === undefined ? {} : { window }),
  ...(keyValueHeads === undefined ? {} : { keyValueHeads }),
  ...(rowsBeforeSink ? { rowsBeforeSink } : {}),
  ...(rows === undefined ? {} : { rows }),
});

/** x + attention(ln1 x), then x + mlp(ln2 x). */
export function serialBlock(parts: BlockParts): Block {
  return {
    ...common(parts),
    after(x, attention, hook) {
      const middle = hook('hook_resid_mid', add(x, attention));
      return hook('hook_out', add(middle, parts.mlp(hook('ln2.hook_out', parts.ln2(middle)), hook)));
    },
  };
}

/** x + attention(ln1 x), and nothing else: the blocks of attention-only models. */
export function attentionOnlyBlock(parts: Omit<BlockParts, 'ln2' | 'mlp'>): Block {
  return {
    ...common(parts),
    after: (x, attention, hook) => hook('hook_out', hook('hook_resid_mid', add(x, attention))),
  };
}

/** ln1(x + attention x), then ln2(x + mlp x): norms after the residual, as the first transformers had them. */
export function postNormBlock(parts: BlockParts): Block {
  return {
    ...common(parts),
    before: (x, hook) => hook('ln1.hook_out', x),
    after(x, attention, hook) {
      const middle = hook('hook_resid_mid', parts.ln1(add(x, attention)));
      const fed = parts.mlp(hook('ln2.hook_out', middle), hook);
      return hook('hook_out', parts.ln2(add(middle, fed)));
    },
  };
}

/** x + attention(ln1 x) + mlp(ln2 x): both read the same stream. */
export function parallelBlock(parts: BlockParts): Block {
  return {
    ...common(parts),
    after(x, attention, hook) {
      const fed = parts.mlp(hook('ln2.hook_out', parts.ln2(x)), hook);
      return hook('hook_out', add(hook('hook_resid_mid', add(x, attention)), fed));
    },
  };
}

/** As the serial block, with norms on what attention and feed-forward give back as well. */
export function sandwichBlock(parts: BlockParts & { readonly ln1Post: Norm; readonly ln2Post: Norm }): Block {
  return {
    ...common(parts),
    after(x, attention, hook) {
      const middle = hook('hook_resid_mid', add(x, parts.ln1Post(attention)));
      const fed = parts.mlp(hook('ln2.hook_out', parts.ln2(middle)), hook);
      return hook('hook_out', add(middle, parts.ln2Post(fed)));
    },
  };
}
