import { linear } from '../../layers/linear.ts';
import { crossEntropy, gather, input, mean, pick, slice, type Tensor, weight } from '../../tensor/index.ts';
import { collectTraining } from '../task.ts';
import { initialOf } from './initial.ts';
import { accuracy } from './metrics.ts';
import { type StackOptions, stack } from './stack.ts';
import type { Toy } from './toy.ts';

const [words, half, M] = [32, 24, 64];
const [V, T] = [words + 1, 2 * half];
const bosId = words;

/**
 * Copying by induction: BOS, a random sequence, and the same sequence again. The second half is certain to a head that attends to the
 * token after the last occurrence of the current one, which takes two layers; the first half is random.
 */
export function induction({ mechanism, position }: Pick<StackOptions, 'mechanism' | 'position'> = {}): Toy {
  return {
    name: 'induction',
    about: 'A random sequence twice: two attention layers learn to copy the second half.',
    source: '2209.11895',
    steps: 2000,
    batch: 64,
    learningRate: 3e-3,
    decay: 0.01,
    warmUp: 100,
    decline: 0.3,
    task() {
      const ids = input('ids', { B: 'B', T: T + 1 }, 'int64');
      const words = gather(weight('embed.weight', { V, M }), slice(ids, 'T', 0, T), 'V');
      const training = collectTraining();
      const { output, patterns } = stack(words, {
        ...{ sizes: { L: 2, H: 2, M }, context: T, training: training.tap },
        ...(mechanism ? { mechanism } : {}),
        ...(position ? { position } : {}),
      });
      const second = <A extends 'B' | 'T' | 'V'>(x: Tensor<A | 'T'>) =>
        slice(x as Tensor<string>, 'T', half, T) as unknown as Tensor<A | 'T'>;
      const logits = second<'B' | 'T' | 'V'>(linear(output, 'unembed', { V }, { M }));
      const targets = slice(ids, 'T', half + 1, T + 1);
      const toBos = (layer: number) => mean(pick(patterns[layer]!, 'S', 0), ['B', 'G', 'R', 'T']);
      return {
        loss: training.withTerms(mean(crossEntropy(logits, targets, 'V'), ['B', 'T']) as Tensor<never>),
        metrics: {
          accuracy: accuracy(logits, targets, 'V'),
          ...Object.fromEntries(patterns.map((_, layer) => [`bosLayer${layer}`, toBos(layer)])),
        },
        buffers: training.buffers,
        initial: initialOf(mechanism),
      };
    },
    sample(random, batch) {
      const rows = Array.from({ length: batch }, () => {
        const once = Array.from({ length: half }, () => Math.floor(random() * words));
        return [bosId, ...once, ...once];
      });
      return { ids: { type: 'int64', shape: [batch, T + 1], data: BigInt64Array.from(rows.flat(), BigInt) } };
    },
    expected: [{ metric: 'accuracy', about: 'share of the second half predicted right', least: 0.9 }],
  };
}
