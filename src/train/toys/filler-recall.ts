import { InputError } from '../../error.ts';
import { linear } from '../../layers/linear.ts';
import { shuffle } from '../../random.ts';
import { add, crossEntropy, gather, input, slice, type Tensor, type Within, weight } from '../../tensor/index.ts';
import { collectTraining } from '../task.ts';
import { initialOf } from './initial.ts';
import { meanWhere, rightRows } from './metrics.ts';
import { type Stacked, type StackOptions, stack } from './stack.ts';
import type { Toy } from './toy.ts';

export interface FillerRecallOptions extends Pick<StackOptions, 'mechanism' | 'position' | 'window'> {
  /** n, tokens of a text; the last quarter asks, and has room for all pairs. Default 256. */
  readonly tokens?: number;
  /** Pairs of a key and the value after it, all with different keys. Default 16. */
  readonly pairs?: number;
  /** A pair is one token that carries both, so that no layer is spent on bringing them together: learnt much sooner. Default false. */
  readonly joined?: boolean;
  /** Fillers between the pairs and the last quarter: with none the pairs stand anywhere before it. Default 0. */
  readonly gap?: number;
  /** How often every pair is told, one telling after the other, each time with another value; the last counts. Default 1. */
  readonly told?: number;
  /** A question is far when its value lies more than this many tokens back. Default 64. */
  readonly far?: number;
  /** H. Default 4. */
  readonly heads?: number;
  /** More figures, from what the layers held. Default none. */
  readonly figures?: (stacked: Stacked) => Readonly<Record<string, Within<string>>>;
}

/** Kinds of tokens, each with as many words: keys are ids from 0, values from `words`, fillers from 2 · `words`. */
export const words = 32;
/** M. */
export const M = 64;
const [V, L] = [3 * words, 2];
/** Of the second table, where a token carries no value beside what it is. */
const nothing = words;

/**
 * Associative recall among filler tokens (cards of 2508.02124, 2003.05997 and 2501.00663): pairs of a key and a value stand at random places between fillers,
 * and later the keys come again one by one, each to be answered with its value. What is between is noise and counts for nothing.
 * Chance among the values: 1 in 32.
 */
export function fillerRecall(options: FillerRecallOptions = {}): Toy {
  const { tokens: T = 256, pairs = 16, far = 64, heads = 4, joined = false, gap = 0, told = 1 } = options;
  const { mechanism, position, window, figures } = options;
  const asking = Math.floor(T / 4);
  /** Tokens of one telling. */
  const room = Math.floor((T - asking - gap) / told);
  if (pairs > Math.min(asking, words) || (joined ? 1 : 2) * pairs > room)
    throw new InputError(`filler recall: ${pairs} pairs do not fit into ${T} tokens`);
  return {
    name: 'filler-recall',
    about: 'Pairs of keys and values far apart among fillers; then the keys again: the value that followed each.',
    source: '2508.02124',
    steps: 2000,
    batch: 32,
    learningRate: 3e-3,
    decay: 0.01,
    warmUp: 100,
    decline: 0.3,
    task() {
      const ids = input('ids', { B: 'B', T }, 'int64');
      const target = input('target', { B: 'B', T: asking }, 'int64');
      const asked = input('asked', { B: 'B', T: asking });
      const farAsked = input('farAsked', { B: 'B', T: asking });
      const tokens = gather(weight('embed.weight', { V, M }), ids, 'V');
      const carried = () =>
        gather(weight('embed_value.weight', { V: words + 1, M }), input('carried', { B: 'B', T }, 'int64'), 'V');
      const training = collectTraining();
      const stacked = stack(joined ? add(tokens, carried()) : tokens, {
        ...{ sizes: { L, H: heads, M, F: 2 * M }, context: T, training: training.tap, window },
        ...(mechanism ? { mechanism } : {}),
        ...(position ? { position } : {}),
      });
      const logits = linear(slice(stacked.output, 'T', T - asking, T), 'unembed', { C: words }, { M });
      const right = rightRows(logits as Tensor<'B' | 'T' | 'C'>, target, 'C');
      return {
        loss: training.withTerms(meanWhere(crossEntropy(logits, target, 'C'), asked, ['B', 'T'])),
        metrics: {
          accuracy: meanWhere(right, asked, ['B', 'T']),
          accuracyFar: meanWhere(right, farAsked, ['B', 'T']),
          ...figures?.(stacked),
        },
        buffers: training.buffers,
        initial: initialOf(mechanism),
      };
    },
    sample(random, batch) {
      const texts = Array.from({ length: batch }, () => fillerText(random, { T, asking, pairs, joined, room, told }));
      const int = (of: (text: FillerText) => number[], width: number) => ({
        type: 'int64' as const,
        shape: [batch, width],
        data: BigInt64Array.from(texts.flatMap(of), BigInt),
      });
      const flags = (of: (gap: number) => boolean) => ({
        type: 'float32' as const,
        shape: [batch, asking],
        data: Float32Array.from(texts.flatMap(({ gap }) => gap.map((tokens) => (of(tokens) ? 1 : 0)))),
      });
      return {
        ids: int(({ ids }) => ids, T),
        ...(joined ? { carried: int(({ carried }) => carried, T) } : {}),
        target: int(({ target }) => target, asking),
        asked: flags((gap) => gap > 0),
        farAsked: flags((gap) => gap > far),
      };
    },
    expected: [{ metric: 'accuracy', about: 'share of questions answered with the right value', least: 0.95 }],
  };
}

interface FillerText {
  readonly ids: number[];
  /** Value that the token carries beside what it is, or `nothing`: only where pairs are joined. */
  readonly carried: number[];
  /** Of the last `asking` places: the value asked for, from 0, and how many tokens back it stands; 0 and 0 where nothing is asked. */
  readonly target: number[];
  readonly gap: number[];
}

/** One text: pairs among fillers, then perhaps fillers alone, then the keys among fillers, every key once. */
function fillerText(
  random: () => number,
  size: Readonly<Record<'T' | 'asking' | 'pairs' | 'room' | 'told', number>> & { readonly joined: boolean },
): FillerText {
  const { T, asking, pairs, joined, room, told } = size;
  const width = joined ? 1 : 2;
  const below = (n: number) => Math.floor(random() * n);
  const range = (n: number) => Array.from({ length: n }, (_, i) => i);
  const ids = range(T).map(() => 2 * words + below(words));
  const keys = shuffle(range(words), random).slice(0, pairs);
  const carried = range(T).map(() => nothing);
  const telling = T - asking;
  let places: number[] = [];
  let values: number[] = [];
  for (let round = 0; round < told; round++) {
    const starts = shuffle(range(Math.floor(room / width)), random).slice(0, pairs);
    places = starts.map((slot) => round * room + width * slot);
    values = keys.map((_, i) => (round === 0 ? below(words) : (values[i]! + 1 + below(words - 1)) % words));
    for (const [i, place] of places.entries()) {
      ids[place] = keys[i]!;
      if (joined) carried[place] = values[i]!;
      else ids[place + 1] = words + values[i]!;
    }
  }
  const [target, gap] = [range(asking).map(() => 0), range(asking).map(() => 0)];
  for (const [i, place] of shuffle(range(asking), random).slice(0, pairs).entries()) {
    ids[telling + place] = keys[i]!;
    target[place] = values[i]!;
    gap[place] = telling + place - (places[i]! + width - 1);
  }
  return { ids, carried, target, gap };
}
