import type { Mechanism } from '../../attention/mechanism.ts';
import { rotary } from '../../attention/positions/rope-frequencies.ts';
import { linear } from '../../layers/linear.ts';
import { rmsNorm } from '../../layers/norms.ts';
import {
  absolute,
  add,
  crossEntropy,
  divide,
  gather,
  highest,
  input,
  iota,
  mean,
  multiply,
  weight,
} from '../../tensor/index.ts';
import { collectTraining } from '../task.ts';
import { dirichletLanguage, gaussianLanguage, type Language, sequences, V } from './backcopy-language.ts';
import { headMetrics } from './head-metrics.ts';
import { initialOf } from './initial.ts';
import { meanWhere, others } from './metrics.ts';
import { oneHead } from './one-head.ts';
import type { Toy } from './toy.ts';

export interface BackcopyOptions {
  /** Default: softmax attention. */
  readonly mechanism?: Mechanism;
  /** BOS at the start of every sequence. Default true; without it there is no fixed token to sink on. */
  readonly bos?: boolean;
  /** Seed of the bigram table. Default 0. */
  readonly seed?: number;
}

interface Setting extends Required<Pick<BackcopyOptions, 'bos'>> {
  readonly mechanism?: Mechanism | undefined;
  readonly T: number;
  readonly position: 'learned' | 'rope';
  readonly language: Language;
}

const M = 64;

/** The model and what is measured: one pre-norm head, attention only, final norm, untied output table. */
function backcopy(setting: Setting): Pick<Toy, 'task' | 'sample'> {
  const { T, bos, language, position, mechanism } = setting;
  return {
    task() {
      const ids = input('ids', { B: 'B', T }, 'int64');
      const targets = input('targets', { B: 'B', T }, 'int64');
      const trigger = input('trigger', { B: 'B', T });
      const counted = input('counted', { B: 'B', T });
      const words = gather(weight('embed.weight', { V, M }), ids, 'V');
      const stream =
        position === 'learned' ? add(words, gather(weight('position.weight', { P: T, M }), iota('T', T), 'P')) : words;
      const turn = rotary({ kind: 'default', theta: 10_000, partial: 1 }, M);
      const training = collectTraining();
      const { output, seen } = oneHead(rmsNorm(stream, 'M', 'ln1', { epsilon: 1e-5 }), {
        ...{ T, M, training: training.tap },
        ...(position === 'rope' ? { position: { rotary: turn } } : {}),
        ...(mechanism ? { mechanism } : {}),
      });
      const residual = add(stream, output);
      const logits = linear(rmsNorm(residual, 'M', 'ln_final', { epsilon: 1e-5 }), 'unembed', { V }, { M });
      const losses = crossEntropy(logits, targets, 'V');
      const elsewhere = multiply(others(trigger), counted);
      const over = ['B', 'T'] as const;
      return {
        loss: training.withTerms(meanWhere(losses, counted, over)),
        metrics: {
          languageLoss: meanWhere(losses, counted, over),
          triggerLoss: meanWhere(losses, multiply(trigger, counted), over),
          otherLoss: meanWhere(losses, elsewhere, over),
          largestRatio: divide(highest(absolute(residual), ['B', 'T', 'M']), mean(absolute(residual), ['B', 'T', 'M'])),
          ...headMetrics(seen, mechanism?.rows ?? 'one', {
            triggers: multiply(trigger, counted),
            elsewhere,
          }),
        },
        buffers: training.buffers,
        initial: initialOf(mechanism),
      };
    },
    sample(random, batch) {
      const rows = sequences(random, batch, setting);
      const int = (of: (row: number[]) => number[]) => ({
        type: 'int64' as const,
        shape: [batch, T],
        data: BigInt64Array.from(rows.flatMap(of), BigInt),
      });
      const float = (of: (row: number[], t: number) => boolean) => ({
        type: 'float32' as const,
        shape: [batch, T],
        data: Float32Array.from(rows.flatMap((row) => Array.from({ length: T }, (_, t) => (of(row, t) ? 1 : 0)))),
      });
      return {
        ids: int((row) => row.slice(0, T)),
        targets: int((row) => row.slice(1)),
        // A trigger right after BOS has nothing to copy.
        trigger: float((row, t) => language.triggers.has(row[t]!) && t > (bos ? 1 : 0)),
        // What follows BOS is drawn at random and cannot be learnt.
        counted: float((_, t) => !bos || t > 0),
      };
    },
  };
}

/**
 * Bigram-backcopy of the gated-attention card (2505.06708): rows softmax of N(0, 1.5²) logits, tokens 0–3 are triggers, RoPE, 5,000 steps.
 */
export function bigramBackcopy({ mechanism, bos = true, seed = 0 }: BackcopyOptions = {}): Toy {
  const setting: Setting = { mechanism, bos, T: 48, position: 'rope', language: gaussianLanguage(seed) };
  return {
    name: `bigram-backcopy${bos ? '' : ', no BOS'}`,
    about:
      'Bigrams, but after a trigger the token before it comes again: the head copies at triggers and rests on BOS elsewhere.',
    source: '2505.06708',
    steps: 5000,
    batch: 32,
    learningRate: 5e-3,
    decay: 0.01,
    warmUp: 100,
    decline: 0.3,
    ...backcopy(setting),
    expected: [
      ...(bos ? [{ metric: 'firstElsewhere', about: 'attention to BOS where there is no trigger', least: 0.5 }] : []),
      { metric: 'firstAtTriggers', about: 'attention to the first token at triggers', most: 0.05 },
      { metric: 'triggerLoss', about: 'loss after triggers, in nats', most: 0.2 },
    ],
  };
}

/**
 * Bigram/backcopy of the sink-emergence card (2410.10781, Toy B): rows Dirichlet(0.3), the three most frequent tokens are triggers,
 * learned positions, 1,600 steps.
 */
export function bigramBackcopyDirichlet({ mechanism, bos = true, seed = 0 }: BackcopyOptions = {}): Toy {
  const setting: Setting = { mechanism, bos, T: 64, position: 'learned', language: dirichletLanguage(seed) };
  return {
    name: `bigram-backcopy-dirichlet${bos ? '' : ', no BOS'}`,
    about:
      'Sparse bigrams; after one of the three most frequent tokens the token before it comes again. Sink rate 0 at the start, 98 % at the end.',
    source: '2410.10781, Toy B',
    steps: 1600,
    batch: 128,
    learningRate: 1e-3,
    decay: 0.01,
    warmUp: 0,
    decline: 0,
    ...backcopy(setting),
    expected: bos
      ? [
          { metric: 'sinkRate', about: 'share of texts whose mean attention to BOS is above 0.3', least: 0.9 },
          { metric: 'firstAtTriggers', about: 'attention to BOS at triggers', most: 0.1 },
          { metric: 'valueRatio', about: '‖v_BOS‖ over the other values', most: 0.5 },
        ]
      : [{ metric: 'sinkRate', about: 'the same for the first token, without BOS', most: 0.05 }],
  };
}
