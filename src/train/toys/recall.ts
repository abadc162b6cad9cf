import { linear } from '../../layers/linear.ts';
import { seededRandom } from '../../random.ts';
import { add, constant, crossEntropy, gather, input, mean, slice, type Tensor, weight } from '../../tensor/index.ts';
import { collectTraining } from '../task.ts';
import { initialOf } from './initial.ts';
import { accuracy } from './metrics.ts';
import { type OtherMaps, otherMaps } from './other-maps.ts';
import { type StackOptions, stack } from './stack.ts';
import type { Toy } from './toy.ts';

const [pairs, queries, keys, values] = [16, 16, 12, 12];
const [T, M] = [pairs + queries, 48];
const blank = values;

export interface RecallOptions extends Pick<StackOptions, 'mechanism' | 'position'> {
  /** Default: every layer makes its maps from its own input. */
  readonly maps?: OtherMaps;
}

/**
 * Multi-query associative recall (card of 2510.11602): 16 tokens that bind a key to a value, then 16 keys without one; the answer is the
 * value last bound to that key. Standard attention solves it; fixed and random attention maps do not (chance: 1 in 12).
 */
export function associativeRecall({ mechanism, position, maps }: RecallOptions = {}): Toy {
  return {
    name: 'associative-recall',
    about: 'Sixteen key–value pairs, then sixteen keys: the value last bound to each key.',
    source: '2510.11602',
    steps: 2500,
    batch: 64,
    learningRate: 3e-3,
    decay: 0.01,
    warmUp: 100,
    decline: 0.3,
    task() {
      const key = input('key', { B: 'B', T }, 'int64');
      const value = input('value', { B: 'B', T }, 'int64');
      const target = input('target', { B: 'B', T: queries }, 'int64');
      const [ofKey, ofValue] = [
        weight('embed_key.weight', { V: keys, M }),
        weight('embed_value.weight', { C: values + 1, M }),
      ];
      const embed = (k: typeof key, v: typeof value) => add(gather(ofKey, k, 'V'), gather(ofValue, v, 'C'));
      const fixedText = () => {
        const text = this.sample(seededRandom(0), 1);
        const ids = (name: 'key' | 'value') => constant([...text[name]!.data].map(Number), { B: 1, T }, 'int64');
        return embed(ids('key'), ids('value'));
      };
      const training = collectTraining();
      const sizes = { L: 2, H: 2, M, F: 4 * M };
      const { output } = stack(embed(key, value), {
        ...{ sizes, context: T, training: training.tap },
        ...(maps ? otherMaps(maps, { L: sizes.L, T, M, training: training.tap, fixedText }) : {}),
        ...(mechanism ? { mechanism } : {}),
        ...(position ? { position } : {}),
      });
      const logits = slice(linear(output, 'unembed', { C: values }, { M }), 'T', pairs, T);
      return {
        loss: training.withTerms(mean(crossEntropy(logits, target, 'C'), ['B', 'T']) as Tensor<never>),
        metrics: { accuracy: accuracy(logits, target, 'C') },
        buffers: training.buffers,
        initial: initialOf(mechanism),
      };
    },
    sample(random, batch) {
      const pick = (n: number) => Math.floor(random() * n);
      const key = new BigInt64Array(batch * T);
      const value = new BigInt64Array(batch * T).fill(BigInt(blank));
      const target = new BigInt64Array(batch * queries);
      for (let b = 0; b < batch; b++) {
        const bound = new Map<number, number>();
        for (let t = 0; t < pairs; t++) {
          const [k, v] = [pick(keys), pick(values)];
          bound.set(k, v);
          key[b * T + t] = BigInt(k);
          value[b * T + t] = BigInt(v);
        }
        const known = [...bound.keys()];
        for (let t = 0; t < queries; t++) {
          const k = known[pick(known.length)]!;
          key[b * T + pairs + t] = BigInt(k);
          target[b * queries + t] = BigInt(bound.get(k)!);
        }
      }
      const tensor = (data: BigInt64Array, width: number) => ({ type: 'int64' as const, shape: [batch, width], data });
      return { key: tensor(key, T), value: tensor(value, T), target: tensor(target, queries) };
    },
    expected: [{ metric: 'accuracy', about: 'share of queries answered with the right value', least: 0.95 }],
  };
}
