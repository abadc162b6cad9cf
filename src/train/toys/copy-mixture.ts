import type { Mechanism } from '../../attention/mechanism.ts';
import { additive, causalMask, wholeText } from '../../attention/places.ts';
import { positions } from '../../attention/positions/positions.ts';
import type { Scores } from '../../attention/steps.ts';
import { linear } from '../../layers/linear.ts';
import { rmsNorm } from '../../layers/norms.ts';
import { add, crossEntropy, gather, input, mean, slice, softmax, type Tensor, weight } from '../../tensor/index.ts';
import { collectTraining } from '../task.ts';
import { initialOf } from './initial.ts';
import { shares, toFirst } from './metrics.ts';
import { oneHead } from './one-head.ts';
import type { Toy } from './toy.ts';

export interface CopyMixtureOptions {
  /** Default: softmax attention. RoPE, where it takes positions from its site. */
  readonly mechanism?: Mechanism;
}

const [V, M] = [32, 64];
/** Predicted tokens of a text. */
export const copyMixtureLength = 48;
const T = copyMixtureLength;
/** Queries from here on are looked at: before, uniform attention to the first token is high. */
export const firstLookedAt = 8;
const [toFirstToken, toLast] = [0.4, 0.4];

/** Mean over the queries that are looked at of a share of each [B, T]. */
export const ofLateQueries = (share: Tensor<'B' | 'T'>): Tensor<never> =>
  mean(slice(share, 'T', firstLookedAt, T), ['B', 'T']) as Tensor<never>;

/**
 * Copy mixture of the card of 2601.15380: a first token at random, then each token is that first one (0.4), the one before it (0.4), or any.
 * Nothing about the first token's content says that it is the first, so a head must know positions to rest there. No BOS.
 */
export function copyMixture({ mechanism }: CopyMixtureOptions = {}): Toy {
  return {
    name: 'copy-mixture',
    about:
      'Each token is the first one, the one before it, or any: what helps is attention to position 0, whatever stands there.',
    source: '2601.15380',
    steps: 2000,
    batch: 32,
    learningRate: 5e-3,
    decay: 0.01,
    warmUp: 100,
    decline: 0.3,
    task() {
      const ids = input('ids', { B: 'B', T: T + 1 }, 'int64');
      const stream = gather(weight('embed.weight', { V, M }), slice(ids, 'T', 0, T), 'V');
      const training = collectTraining();
      const { output, seen } = oneHead(rmsNorm(stream, 'M', 'ln1', { epsilon: 1e-5 }), {
        ...{ T, M, training: training.tap },
        position: positions.rope.inAttention({ H: 1, G: 1, D: M, M }),
        ...(mechanism ? { mechanism } : {}),
      });
      const final = rmsNorm(add(stream, output), 'M', 'ln_final', { epsilon: 1e-5 });
      const losses = crossEntropy(linear(final, 'unembed', { V }, { M }), slice(ids, 'T', 1, T + 1), 'V');
      const languageLoss = mean(losses, ['B', 'T']) as Tensor<never>;
      const pattern = seen['attn.hook_pattern'];
      const scores = seen['attn.hook_attn_scores'];
      return {
        loss: training.withTerms(languageLoss),
        metrics: {
          languageLoss,
          ...(pattern ? { first: ofLateQueries(toFirst(shares(pattern, mechanism?.rows ?? 'one'))) } : {}),
          ...(scores ? { firstByScores: ofLateQueries(toFirst(softmax(masked(scores), 'S'))) } : {}),
        },
        buffers: training.buffers,
        initial: initialOf(mechanism),
      };
    },
    sample(random, batch) {
      const any = () => Math.floor(random() * V);
      const rows = Array.from({ length: batch }, () => {
        const row = [any()];
        while (row.length < T + 1) {
          const u = random();
          row.push(u < toFirstToken ? row[0]! : u < toFirstToken + toLast ? row.at(-1)! : any());
        }
        return row;
      });
      return { ids: { type: 'int64', shape: [batch, T + 1], data: BigInt64Array.from(rows.flat(), BigInt) } };
    },
    expected: [{ metric: 'languageLoss', about: 'nats for each token; by frequency alone 3.5', most: 1.6 }],
  };
}

/** Later keys out: what the hook point of scores holds is before the mask. */
function masked(scores: Scores): Scores {
  return add(scores, additive(causalMask(wholeText(T)) as never));
}
