import { rotary } from '../../attention/rope-frequencies.ts';
import type { AttentionSteps, Queries, Stream } from '../../attention/steps.ts';
import { linear } from '../../layers/linear.ts';
import { rmsNorm } from '../../layers/norms.ts';
import { normal, seededRandom as seeded } from '../../random.ts';
import { add, crossEntropy, gather, input, iota, multiply, weight } from '../../tensor/index.ts';
import { moduleDefaults } from './initial.ts';
import { alpha, meanWhere, others, sinkRate, toFirst, valueRatio } from './metrics.ts';
import { oneHead } from './one-head.ts';
import type { Toy } from './toy.ts';

type Steps = (output: (z: Queries) => Stream) => AttentionSteps;

export interface BackcopyOptions {
  /** Default: softmax attention. */
  readonly steps?: Steps;
  /** BOS at the start of every sequence. Default true; without it there is no fixed token to sink on. */
  readonly bos?: boolean;
  /** Seed of the bigram table. Default 0. */
  readonly seed?: number;
}

interface Setting extends Required<Pick<BackcopyOptions, 'bos'>> {
  readonly steps?: Steps | undefined;
  readonly T: number;
  readonly position: 'learned' | 'rope';
  readonly language: Language;
}

const [words, M] = [32, 64];
const V = words + 1;
const bosId = words;

/** A bigram table, and the tokens after which the token before them comes again. */
interface Language {
  /** [words][words] cumulative probabilities of the next token. */
  readonly next: readonly Float64Array[];
  readonly triggers: ReadonlySet<number>;
  readonly first: (random: () => number) => number;
}

const cumulative = (row: readonly number[]) => {
  const total = row.reduce((a, b) => a + b, 0);
  let sum = 0;
  return Float64Array.from(row, (p) => (sum += p / total));
};

const drawn = (random: () => number, sums: Float64Array) => {
  const u = random();
  const found = sums.findIndex((sum) => u < sum);
  return found < 0 ? sums.length - 1 : found;
};

/** ids [B, T + 1]: BOS (or none), a first word, then bigrams; after a trigger the word before it. */
function sequences(random: () => number, batch: number, { T, bos, language }: Setting): number[][] {
  return Array.from({ length: batch }, () => {
    const ids = bos ? [bosId] : [];
    ids.push(language.first(random));
    while (ids.length < T + 1) {
      const [before, last] = [ids.at(-2), ids.at(-1)!];
      const copies = language.triggers.has(last) && before !== undefined && before !== bosId;
      ids.push(copies ? before : drawn(random, language.next[last]!));
    }
    return ids;
  });
}

/** The model and what is measured: one pre-norm head, attention only, final norm, untied output table. */
function backcopy(setting: Setting): Pick<Toy, 'task' | 'sample'> {
  const { T, bos, language, position, steps } = setting;
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
      const { output, pattern, values } = oneHead(rmsNorm(stream, 'M', 'ln1', { epsilon: 1e-5 }), {
        T,
        M,
        D: M,
        ...(position === 'rope' ? { rotary: turn } : {}),
        ...(steps ? { steps } : {}),
      });
      const logits = linear(rmsNorm(add(stream, output), 'M', 'ln_final', { epsilon: 1e-5 }), 'unembed', { V }, { M });
      const losses = crossEntropy(logits, targets, 'V');
      const elsewhere = multiply(others(trigger), counted);
      const over = ['B', 'T'] as const;
      return {
        loss: meanWhere(losses, counted, over),
        metrics: {
          triggerLoss: meanWhere(losses, multiply(trigger, counted), over),
          otherLoss: meanWhere(losses, elsewhere, over),
          firstAtTriggers: meanWhere(toFirst(pattern), multiply(trigger, counted), over),
          firstElsewhere: meanWhere(toFirst(pattern), elsewhere, over),
          alpha: alpha(pattern),
          sinkRate: sinkRate(pattern),
          valueRatio: valueRatio(values),
        },
        initial: moduleDefaults,
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
export function bigramBackcopy({ steps, bos = true, seed = 0 }: BackcopyOptions = {}): Toy {
  const draw = normal(seeded(seed));
  const triggers = new Set([0, 1, 2, 3]);
  const next = Array.from({ length: words }, () =>
    cumulative(Array.from({ length: words }, () => Math.exp(1.5 * draw()))),
  );
  const first = (random: () => number) => 4 + Math.floor(random() * (words - 4));
  const setting: Setting = { steps, bos, T: 48, position: 'rope', language: { next, triggers, first } };
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
export function bigramBackcopyDirichlet({ steps, bos = true, seed = 0 }: BackcopyOptions = {}): Toy {
  const random = seeded(seed);
  const probabilities = Array.from({ length: words }, () => {
    const row = Array.from({ length: words }, () => gamma(0.3, random));
    const total = row.reduce((a, b) => a + b, 0);
    return row.map((p) => p / total);
  });
  const common = stationary(probabilities);
  const triggers = new Set([...common.keys()].sort((a, b) => common[b]! - common[a]!).slice(0, 3));
  const next = probabilities.map(cumulative);
  const first = (source: () => number) => drawn(source, cumulative(common));
  const setting: Setting = { steps, bos, T: 64, position: 'learned', language: { next, triggers, first } };
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

/** Stationary distribution by power iteration. */
function stationary(rows: readonly (readonly number[])[]): number[] {
  let p = rows.map(() => 1 / rows.length);
  for (let i = 0; i < 200; i++) p = p.map((_, j) => rows.reduce((sum, row, k) => sum + p[k]! * row[j]!, 0));
  return p;
}

/** Gamma(shape, 1) for shape < 1 by Marsaglia and Tsang with the power trick. */
function gamma(shape: number, random: () => number): number {
  const draw = normal(random);
  const d = shape + 1 - 1 / 3;
  const c = 1 / Math.sqrt(9 * d);
  for (;;) {
    const x = draw();
    const v = (1 + c * x) ** 3;
    if (v > 0 && Math.log(1 - random()) < 0.5 * x * x + d - d * v + d * Math.log(v))
      return d * v * (1 - random()) ** (1 / shape);
  }
}
