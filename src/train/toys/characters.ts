import { type Position, positions } from '../../attention/positions/positions.ts';
import { linear } from '../../layers/linear.ts';
import { DEFAULT_TEXT } from '../../load/default-text.ts';
import type { HostTensor } from '../../runtime/backend.ts';
import { add, crossEntropy, gather, input, iota, mean, slice, type Tensor, weight } from '../../tensor/index.ts';
import { collectTraining } from '../task.ts';
import { initialOf } from './initial.ts';
import { accuracy } from './metrics.ts';
import { type Stacked, type StackOptions, stack } from './stack.ts';
import type { Toy } from './toy.ts';

export interface CharacterModelOptions extends Pick<StackOptions, 'mechanism'> {
  /** Default RoPE. */
  readonly position?: Position;
  /** F is twice M where it is not given. Default two layers of eight heads, M 64. */
  readonly sizes?: {
    readonly L: number;
    readonly H: number;
    readonly G?: number;
    readonly M: number;
    readonly F?: number;
  };
  /** A token of its own in the place of every text's first character. Default false. */
  readonly bos?: boolean;
  /** Predicted characters of a text while it learns. Default 64. */
  readonly T?: number;
  /** Positions that a table in the stream is made for, at least as many as any text has characters. Default T. */
  readonly longest?: number;
}

const alphabet = new Map([...new Set(DEFAULT_TEXT)].sort().map((character, code) => [character, code]));
const codes = Int32Array.from(DEFAULT_TEXT, (character) => alphabet.get(character)!);
const learnt = Math.floor(0.9 * codes.length);
const bosId = alphabet.size;
const smallest: NonNullable<CharacterModelOptions['sizes']> = { L: 2, H: 8, M: 64 };

/** A language model over texts of `length` characters: inputs `ids` [B, length + 1]. */
export interface CharacterModel extends Stacked {
  /** Of each predicted character, in nats. */
  readonly losses: Tensor<'B' | 'T'>;
  /** Share of characters that have the highest score. */
  readonly accuracy: Tensor<never>;
}

/** The graph that the toy learns, for texts of any length: held-out figures are taken from it. */
export function characterModel(
  { mechanism, position = positions.rope, sizes = smallest, T = 64, longest = T, bos }: CharacterModelOptions,
  length: number,
  training?: StackOptions['training'],
): CharacterModel {
  const { M } = sizes;
  const V = bosId + (bos ? 1 : 0);
  const ids = input('ids', { B: 'B', T: length + 1 }, 'int64');
  const words = gather(weight('embed.weight', { V, M }), slice(ids, 'T', 0, length), 'V');
  const placed = position.inStream?.(iota('T', length), { M, longest });
  const stacked = stack(placed ? add(words, placed as Tensor<'T' | 'M'>) : words, {
    ...{ sizes: { F: 2 * M, ...sizes }, context: T, T: length, position, training },
    ...(mechanism ? { mechanism } : {}),
  });
  const logits = linear(stacked.output, 'unembed', { V }, { M });
  const targets = slice(ids, 'T', 1, length + 1);
  return { ...stacked, losses: crossEntropy(logits, targets, 'V'), accuracy: accuracy(logits, targets, 'V') };
}

/** Rows of T + 1 characters that start at the given places, as `ids`; with BOS in the place of their first. */
const textsAt = (starts: readonly number[], T: number, bos = false): Record<string, HostTensor> => ({
  ids: {
    type: 'int64',
    shape: [starts.length, T + 1],
    data: BigInt64Array.from(
      starts.flatMap((start) =>
        bos ? [bosId, ...codes.subarray(start + 1, start + T + 1)] : [...codes.subarray(start, start + T + 1)],
      ),
      BigInt,
    ),
  },
});

/** The last tenth of the text, which is not learnt from, cut into texts of T + 1 characters; each begins with the last of the one before. */
export function heldOutTexts(T: number, bos = false): Record<string, HostTensor> {
  const count = Math.floor((codes.length - learnt - 1) / T);
  return textsAt(
    Array.from({ length: count }, (_, i) => learnt + i * T),
    T,
    bos,
  );
}

/**
 * The next character of the text that ships (the opening of Emma): small, and soon known by heart, so what counts is the loss on its last
 * tenth, which is not learnt from.
 */
export function characters(options: CharacterModelOptions = {}): Toy {
  const { mechanism, T = 64, bos } = options;
  return {
    name: 'characters',
    about: 'The next character of the opening of a novel.',
    source: '2410.11842',
    steps: 1500,
    batch: 16,
    learningRate: 2e-3,
    decay: 0.1,
    warmUp: 100,
    decline: 0.3,
    task() {
      const training = collectTraining();
      const model = characterModel(options, T, training.tap);
      const languageLoss = mean(model.losses, ['B', 'T']) as Tensor<never>;
      return {
        loss: training.withTerms(languageLoss),
        metrics: { languageLoss, accuracy: model.accuracy },
        buffers: training.buffers,
        initial: initialOf(mechanism),
      };
    },
    sample: (random, batch) =>
      textsAt(
        Array.from({ length: batch }, () => Math.floor(random() * (learnt - T))),
        T,
        bos,
      ),
    expected: [{ metric: 'languageLoss', about: 'nats for each character; by frequency alone 3.0', most: 2.3 }],
  };
}
