import { attention, type Turn } from '../../attention/attention.ts';
import { softmaxSteps } from '../../attention/normalisers/softmax.ts';
import type { Stream } from '../../attention/steps.ts';
import { linear } from '../../layers/linear.ts';
import { layerNorm } from '../../layers/norms.ts';
import { multiply, weight } from '../../tensor/index.ts';
import type { Block } from '../block.ts';
import { sandwichBlock, serialBlock } from './blocks.ts';
import type { Mlp } from './mlp.ts';

export interface VisionBlockOptions {
  readonly sizes: { readonly H: number; readonly D: number; readonly M: number };
  readonly epsilon: number;
  /** Full names of the layer's weights, without `.weight`. */
  readonly names: Readonly<Record<'ln1' | 'ln2' | 'q' | 'k' | 'v' | 'output', string>>;
  readonly mlp: Mlp;
  /** Which projections have a bias. Default all. */
  readonly bias?: Partial<Readonly<Record<'q' | 'k' | 'v' | 'output', boolean>>>;
  /** Full names of the factors on what attention and feed-forward give, [M] each (LayerScale, 2103.17239). Default none. */
  readonly scales?: { readonly attention: string; readonly mlp: string };
  /** How positions turn queries and keys. Default not at all. */
  readonly turn?: Turn;
  /** Default false. */
  readonly causal?: boolean;
}

/** The block of vision transformers (2010.11929): LayerNorm before attention that sees all, and before the feed-forward part. */
export function visionBlock(options: VisionBlockOptions): Block {
  const { sizes, epsilon, names, mlp, bias = {}, scales, turn, causal = false } = options;
  const { H, D, M } = sizes;
  const heads = { G: H, D };
  const withBias = (one: 'q' | 'k' | 'v' | 'output') => ({ bias: bias[one] ?? true });
  const parts = {
    attention: attention({
      q: (x) => linear(x, names.q, { G: H, R: 1, D }, { M }, withBias('q')),
      k: (x) => linear(x, names.k, heads, { M }, withBias('k')),
      v: (x) => linear(x, names.v, heads, { M }, withBias('v')),
      ...(turn ? { turn } : {}),
      steps: softmaxSteps({
        scale: D ** -0.5,
        causal,
        output: (z) => linear(z, names.output, { M }, { G: H, R: 1, D }, withBias('output')),
      }),
    }),
    ln1: (x: Stream) => layerNorm(x, 'M', names.ln1, { epsilon }),
    ln2: (x: Stream) => layerNorm(x, 'M', names.ln2, { epsilon }),
    mlp,
  };
  if (!scales) return serialBlock(parts);
  return sandwichBlock({
    ...parts,
    ln1Post: (x) => multiply(x, weight(scales.attention, { M })),
    ln2Post: (x) => multiply(x, weight(scales.mlp, { M })),
  });
}
