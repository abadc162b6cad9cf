import { linear } from '../../layers/linear.ts';
import { add, gather, multiply, weight } from '../../tensor/index.ts';
import type { Decoder } from '../decoder.ts';

export interface VocabularyOptions {
  readonly V: number;
  readonly M: number;
  /** Weight name of the token table, without `.weight`. */
  readonly embedding: string;
  /** Weight name of the output table, without `.weight`; the token table itself when they are tied. */
  readonly output: string;
  /** Full name of a bias of the logits. Default none. */
  readonly outputBias?: string;
  /** Factor on the embeddings (Gemma: √M). Default 1. */
  readonly scale?: number;
}

/** Token table in, token table out. */
export function vocabulary({
  V,
  M,
  embedding,
  output,
  outputBias,
  scale = 1,
}: VocabularyOptions): Pick<Decoder, 'embed' | 'unembed'> {
  return {
    embed(ids) {
      const rows = gather(weight(`${embedding}.weight`, { V, M }), ids, 'V');
      return scale === 1 ? rows : multiply(rows, scale);
    },
    unembed(x) {
      const logits = linear(x, output, { V }, { M });
      return outputBias === undefined ? logits : add(logits, weight(outputBias, { V }));
    },
  };
}
