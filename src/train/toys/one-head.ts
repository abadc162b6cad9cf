import { wholeText } from '../../attention/places.ts';
import { type Rotary, rotate } from '../../attention/rope.ts';
import { softmaxSteps } from '../../attention/softmax.ts';
import type { AttentionSteps, Queries, Scores, Stream, Values } from '../../attention/steps.ts';
import { linear } from '../../layers/linear.ts';
import { rename, type Size } from '../../tensor/index.ts';

export interface OneHeadOptions {
  readonly T: Size;
  readonly M: number;
  readonly D: number;
  readonly rotary?: Rotary;
  /** The five steps, given the output projection. Default: softmax attention. */
  readonly steps?: (output: (z: Queries) => Stream) => AttentionSteps;
}

export interface OneHead {
  readonly output: Stream;
  readonly pattern: Scores;
  readonly values: Values;
}

/** One causal head over a stream, `attn.{q,k,v,o}_proj` without biases: the attention of the toys. */
export function oneHead(x: Stream, { T, M, D, rotary, steps = plain(D) }: OneHeadOptions): OneHead {
  const places = wholeText(T);
  const keys = rename(x, 'T', 'S');
  const q = linear(x, 'attn.q_proj', { G: 1, R: 1, D }, { M });
  const k = linear(keys, 'attn.k_proj', { G: 1, D }, { M });
  const v = linear(keys, 'attn.v_proj', { G: 1, D }, { M });
  const { scores, mask, normalise, mix, output } = steps((z) => linear(z, 'attn.o_proj', { M }, { G: 1, R: 1, D }));
  const turned = rotary
    ? { q: rotate(q, places.queryPositions, rotary), k: rotate(k, places.keyPositions, rotary) }
    : { q, k };
  const { pattern } = normalise(mask(scores(turned.q, turned.k), places));
  return { output: output(mix(pattern, v)), pattern, values: v };
}

const plain = (D: number) => (output: (z: Queries) => Stream) => softmaxSteps({ scale: D ** -0.5, output });
