import { attention } from '../../attention/attention.ts';
import { wholeText } from '../../attention/places.ts';
import { projections } from '../../attention/projections.ts';
import { rotary } from '../../attention/rope-frequencies.ts';
import { softmaxSteps } from '../../attention/softmax.ts';
import type { AttentionSteps, Queries, Scores, Stream } from '../../attention/steps.ts';
import { rmsNorm } from '../../layers/norms.ts';
import { runBlock } from '../../models/forward.ts';
import { createHooks } from '../../models/hooks.ts';
import { serialBlock } from '../../models/parts/blocks.ts';
import { gatedMlp } from '../../models/parts/mlp.ts';
import { multiply, type Size, type Tensor } from '../../tensor/index.ts';

export interface StackOptions {
  readonly T: Size;
  readonly L: number;
  readonly H: number;
  readonly M: number;
  /** Feed-forward width; default none: attention only. */
  readonly F?: number;
  /** Default: softmax attention. */
  readonly steps?: (output: (z: Queries) => Stream) => AttentionSteps;
}

/** A few pre-norm blocks with RoPE, `layers.{i}.…`, for toys that need more than one head; with the pattern of every layer. */
export function stack(x: Stream, { T, L, H, M, F, steps }: StackOptions): { output: Stream; patterns: Scores[] } {
  const D = M / H;
  const turn = rotary({ kind: 'default', theta: 10_000, partial: 1 }, D);
  const patterns: Scores[] = [];
  const hooks = createHooks({
    reads: (name) => name.endsWith('.hook_pattern'),
    read: (_, pattern) => patterns.push(pattern as unknown as Scores),
  });
  let stream = x;
  for (let i = 0; i < L; i++) {
    const at = (name: string) => `layers.${i}.${name}`;
    const { output, ...project } = projections(at, { H, G: H, D, M }, { inputs: false, output: false });
    const block = serialBlock({
      attention: attention({
        ...project,
        rotary: turn,
        steps: steps ? steps(output) : softmaxSteps({ scale: D ** -0.5, output }),
      }),
      ln1: (y) => rmsNorm(y, 'M', at('ln1_norm'), { epsilon: 1e-5 }),
      ln2: (y) => (F === undefined ? y : rmsNorm(y, 'M', at('ln2_norm'), { epsilon: 1e-5 })),
      mlp: F === undefined ? (y: Tensor<'B' | 'T' | 'M'>) => multiply(y, 0) : gatedMlp(at, { F, M }, 'silu'),
    });
    stream = runBlock(block, stream, wholeText(T), hooks.block(i));
  }
  return { output: rmsNorm(stream, 'M', 'final_norm', { epsilon: 1e-5 }), patterns };
}
