import { linear } from '../../layers/linear.ts';
import { seededRandom } from '../../random.ts';
import { constant, crossEntropy, gather, input, multiply, weight } from '../../tensor/index.ts';
import { collectTraining } from '../task.ts';
import { bigramBackcopy } from './backcopy.ts';
import { V } from './backcopy-language.ts';
import { initialOf } from './initial.ts';
import { meanWhere, others } from './metrics.ts';
import { type OtherMaps, otherMaps } from './other-maps.ts';
import { type StackOptions, stack } from './stack.ts';
import type { Toy } from './toy.ts';

export interface DeepBackcopyOptions extends Pick<StackOptions, 'mechanism' | 'position'> {
  /** Default: every layer makes its maps from its own input. */
  readonly maps?: OtherMaps;
  /** Seed of the bigram table. Default 0. */
  readonly seed?: number;
}

const [T, M] = [48, 64];

/**
 * Bigram-backcopy for whole blocks (card of 2510.11602): two layers of two heads with a feed-forward. What comes again always stands one
 * token before the trigger, so attention maps that know positions alone are enough, and no mixing of tokens is too little.
 */
export function deepBackcopy({ mechanism, position, maps, seed = 0 }: DeepBackcopyOptions = {}): Toy {
  const { sample, ...shallow } = bigramBackcopy({ seed });
  return {
    ...shallow,
    name: 'deep-backcopy',
    about: 'Bigrams, but after a trigger the token before it comes again: a task of positions for two layers.',
    source: '2510.11602',
    steps: 2500,
    batch: 32,
    learningRate: 3e-3,
    task() {
      const ids = input('ids', { B: 'B', T }, 'int64');
      const targets = input('targets', { B: 'B', T }, 'int64');
      const trigger = input('trigger', { B: 'B', T });
      const counted = input('counted', { B: 'B', T });
      const table = weight('embed.weight', { V, M });
      const fixedText = () =>
        gather(table, constant([...sample(seededRandom(0), 1).ids!.data].map(Number), { B: 1, T }, 'int64'), 'V');
      const training = collectTraining();
      const sizes = { L: 2, H: 2, M, F: 4 * M };
      const { output } = stack(gather(table, ids, 'V'), {
        ...{ sizes, context: T, training: training.tap },
        ...(maps ? otherMaps(maps, { L: sizes.L, T, M, training: training.tap, fixedText }) : {}),
        ...(mechanism ? { mechanism } : {}),
        ...(position ? { position } : {}),
      });
      const losses = crossEntropy(linear(output, 'unembed', { V }, { M }), targets, 'V');
      const over = ['B', 'T'] as const;
      return {
        loss: training.withTerms(meanWhere(losses, counted, over)),
        metrics: {
          triggerLoss: meanWhere(losses, multiply(trigger, counted), over),
          otherLoss: meanWhere(losses, multiply(others(trigger), counted), over),
        },
        buffers: training.buffers,
        initial: initialOf(mechanism),
      };
    },
    sample,
    expected: [{ metric: 'triggerLoss', about: 'loss after triggers, in nats', most: 0.05 }],
  };
}
