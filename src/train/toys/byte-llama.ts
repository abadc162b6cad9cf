import { InputError } from '../../error.ts';
import { DEFAULT_TEXT } from '../../load/default-text.ts';
import { decoderFromConfig, type ModelConfig } from '../decoder-config.ts';
import { languageModelTask } from '../language-model.ts';
import { llamaConfig } from '../recipes/recipe.ts';
import { tinyBytes } from '../recipes/tiny-bytes.ts';
import type { Toy } from './toy.ts';

export interface ByteLlamaOptions {
  /** Default two layers of four heads, M 64. H divides M into even parts. */
  readonly sizes?: { readonly L: number; readonly H: number; readonly M: number };
  /** Predicted bytes of a sequence. Default 128. */
  readonly T?: number;
  /** A learned token in front of every sequence, which nothing predicts (2309.17453). Default false: sequences start anywhere. */
  readonly sinkToken?: boolean;
}

const bytes = new TextEncoder().encode(DEFAULT_TEXT);
const learnt = Math.floor(0.8 * bytes.length);

/** Id of the learned sink token, after the 256 bytes. */
export const sinkTokenId = 256;

/** Bytes that can be streamed without having been learnt from: the last fifth of the text. */
export const heldOutLength: number = bytes.length - learnt;

/** The first of them. Throws an InputError where there are fewer. */
export function heldOutBytes(length: number): number[] {
  if (length > heldOutLength)
    throw new InputError(`held-out bytes: there are ${heldOutLength}, ${length} were asked for`);
  return [...bytes.subarray(learnt, learnt + length)];
}

/** A Llama over bytes and one token more, RoPE and tied embeddings, F = 8/3 M. */
export function byteLlamaConfig({ sizes = { L: 2, H: 4, M: 64 }, T = 128 }: ByteLlamaOptions = {}): ModelConfig {
  const { L, H, M } = sizes;
  const shape = { width: M, layers: L, heads: H, feedForward: 8 * Math.round(M / 3), context: T + 1 };
  return llamaConfig({ ...tinyBytes.settings, ...shape }, { V: 257, bosId: sinkTokenId, eosId: sinkTokenId });
}

/** The next byte of the text that ships, by a small Llama whose parameters a stream can run on (see `memoryCheckpoint`). */
export function byteLlama(options: ByteLlamaOptions = {}): Toy {
  const { T = 128, sinkToken = false } = options;
  return {
    name: 'byte-llama',
    about: 'The next byte of the opening of a novel, with or without a learned token in front of every sequence.',
    source: '2309.17453',
    ...{ steps: 400, batch: 16, learningRate: 3e-3, decay: 0.1, warmUp: 40, decline: 0.3 },
    task: () => languageModelTask(decoderFromConfig(byteLlamaConfig(options))),
    sample(random, batch) {
      const rows = Array.from({ length: batch }, () => {
        const start = Math.floor(random() * (learnt - T - 1));
        const text = bytes.subarray(start, start + T + (sinkToken ? 0 : 1));
        return sinkToken ? [sinkTokenId, ...text] : [...text];
      });
      const data = BigInt64Array.from(rows.flat(), BigInt);
      return { ids: { type: 'int64', shape: [batch, T + 1], data } };
    },
    expected: [{ metric: 'loss', about: 'nats for each byte; by frequency alone 3.0', most: 2.3 }],
  };
}
