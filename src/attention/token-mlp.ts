import { InputError } from '../error.ts';
import { linear } from '../layers/linear.ts';
import { expand, multiply, scalar, silu, size } from '../tensor/index.ts';
import type { Mechanism, MechanismSite } from './mechanism.ts';
import type { HeadSizes } from './projections.ts';
import type { Keys, Stream } from './steps.ts';

export interface TokenMlpOptions {
  /** Hidden width F. Default: `matchedWidth`. */
  readonly width?: number;
}

/**
 * Hidden width of three matrices that hold as many parameters as the projections of attention (4M/3 where all heads have keys of their own),
 * rounded to a multiple of 8, with both counts: they are equal only where it divides.
 */
export function matchedWidth({ H, G, D, M }: HeadSizes): {
  readonly F: number;
  readonly parameters: number;
  readonly attention: number;
} {
  const attention = 2 * (H + G) * D * M;
  const F = Math.max(8, 8 * Math.round(attention / (3 * M) / 8));
  return { F, parameters: 3 * F * M, attention };
}

/**
 * No attention at all, 2510.11602 ("MLP"): o = W_down (SiLU(W_gate x) ⊙ W_up x) of each token by itself, `self_attn.{gate,up,down}_proj`.
 * The control without token mixing: no positions, no pattern, no state. Throws an InputError for a width that is none.
 */
export function tokenMlp({ width }: TokenMlpOptions = {}): Mechanism {
  if (width !== undefined && (!Number.isSafeInteger(width) || width < 1))
    throw new InputError(`MLP instead of attention: expected width to be a whole number of at least 1, got ${width}`);
  const parts = ({ at, sizes }: MechanismSite) => {
    const { M } = sizes;
    const F = width ?? matchedWidth(sizes).F;
    return (x: Stream): Stream => {
      const gate = silu(linear(x, at('self_attn.gate_proj'), { F }, { M }));
      return linear(
        multiply(gate, linear(x, at('self_attn.up_proj'), { F }, { M })),
        at('self_attn.down_proj'),
        { M },
        { F },
      );
    };
  };
  return {
    name: width === undefined ? 'MLP instead of attention' : `MLP instead of attention, width ${width}`,
    source: '2510.11602',
    rows: 'none',
    attention(site) {
      const mlp = parts(site);
      const { G, D } = site.sizes;
      return {
        keysAndValues(x) {
          const nothing: Keys = expand(scalar(0), { B: size(x, 'B'), S: size(x, 'S'), G, D });
          return { k: nothing, v: nothing };
        },
        attend: (x, _, __, hook) => hook('attn.hook_out', mlp(x)),
      };
    },
    decoding(site) {
      const mlp = parts(site);
      return { state: () => ({}), step: (x, _, __, hook) => ({ output: hook('attn.hook_out', mlp(x)), state: {} }) };
    },
  };
}
