import type { Mechanism } from '../../attention/mechanism.ts';
import { linear } from '../../layers/linear.ts';
import { normal } from '../../random.ts';
import { input, iota, less, mean, multiply, select, subtract, type Tensor } from '../../tensor/index.ts';
import { collectTraining } from '../task.ts';
import { headMetrics } from './head-metrics.ts';
import { initialOf } from './initial.ts';
import { others } from './metrics.ts';
import { oneHead } from './one-head.ts';
import type { Toy } from './toy.ts';

export interface TriggerAveragingOptions {
  /** A BOS token first, known by a flag of its own. Default true; without it softmax attention has no place for a sink and fails. */
  readonly bos?: boolean;
  /** Default: softmax attention. */
  readonly mechanism?: Mechanism;
}

const [T, content, M] = [32, 16, 32];
const C = content + 3;

/**
 * Trigger-conditional averaging (Toy A of the card of 2410.10781; task family of 2603.11487): at a trigger the mean of all content so far,
 * elsewhere the zero vector. Softmax attention must put its weight somewhere when there is nothing to say: on BOS.
 */
export function triggerAveraging({ bos = true, mechanism }: TriggerAveragingOptions = {}): Toy {
  return {
    name: `trigger-averaging${bos ? '' : ', no BOS'}`,
    about:
      'At a trigger, the mean of all content so far; elsewhere nothing: softmax attention parks on BOS where nothing is to be said.',
    source: '2410.10781, Toy A',
    steps: 1500,
    batch: 128,
    learningRate: 3e-3,
    decay: 0,
    warmUp: 0,
    decline: 0,
    task() {
      const x = input('x', { B: 'B', T, C });
      const target = input('target', { B: 'B', T, C: content });
      const trigger = input('trigger', { B: 'B', T });
      const stream = linear(x, 'embed', { M }, { C });
      const training = collectTraining();
      const { output, seen } = oneHead(stream, { T, M, training: training.tap, ...(mechanism ? { mechanism } : {}) });
      const guess = linear(output, 'unembed', { C: content }, { M });
      const error = subtract(guess, target);
      const counted = select(less(iota('T', T), bos ? 1 : 0), 0, others(trigger)) as Tensor<'B' | 'T'>;
      return {
        loss: training.withTerms(mean(multiply(error, error), ['B', 'T', 'C']) as Tensor<never>),
        metrics: {
          ...headMetrics(seen, mechanism?.rows ?? 'one', { triggers: trigger, elsewhere: counted }),
          variance: mean(multiply(target, target), ['B', 'T', 'C']),
        },
        buffers: training.buffers,
        initial: initialOf(mechanism),
      };
    },
    sample(random, batch) {
      const draw = normal(random);
      const x = new Float32Array(batch * T * C);
      const target = new Float32Array(batch * T * content);
      const trigger = new Float32Array(batch * T);
      for (let b = 0; b < batch; b++) {
        const sum = new Float64Array(content);
        for (let t = 0; t < T; t++) {
          const row = (b * T + t) * C;
          if (bos && t === 0) {
            x[row + C - 1] = 1;
            continue;
          }
          const hit = random() < 0.2;
          for (let c = 0; c < content; c++) {
            x[row + c] = draw();
            sum[c]! += x[row + c]!;
          }
          x[row + content + (hit ? 0 : 1)] = 1;
          trigger[b * T + t] = hit ? 1 : 0;
          const count = bos ? t : t + 1;
          if (hit) for (let c = 0; c < content; c++) target[(b * T + t) * content + c] = sum[c]! / count;
        }
      }
      const tensor = (data: Float32Array, ...shape: number[]) => ({ type: 'float32' as const, shape, data });
      return {
        x: tensor(x, batch, T, C),
        target: tensor(target, batch, T, content),
        trigger: tensor(trigger, batch, T),
      };
    },
    expected: bos
      ? [
          { metric: 'firstElsewhere', about: 'attention to BOS where there is no trigger', least: 0.95 },
          { metric: 'firstAtTriggers', about: 'attention to BOS at triggers', most: 0.05 },
          { metric: 'loss', about: 'mean squared error', most: 0.002 },
        ]
      : [{ metric: 'loss', about: 'mean squared error: softmax without BOS fails', least: 0.02 }],
  };
}
