import type { AttentionName } from './attention.ts';
import { baseSetting, type EmergenceSetting } from './setting.ts';

/** One setting of a factor: what it changes, and what the paper measured for its 60M model (shares of heads in per cent, loss in nats). */
export interface FactorRow {
  readonly label: string;
  readonly change: Partial<EmergenceSetting>;
  readonly published?: {
    readonly sink?: number;
    readonly second?: number;
    readonly third?: number;
    readonly null?: number;
    readonly loss?: number;
  };
}

export interface Factor {
  readonly name: string;
  readonly title: string;
  /** What the paper found, and what is held against the figures here. */
  readonly finding: string;
  /** What every row of it changes beside its own. */
  readonly background: Partial<EmergenceSetting>;
  readonly rows: readonly FactorRow[];
}

const row = (label: string, change: Partial<EmergenceSetting>, published?: FactorRow['published']): FactorRow => ({
  label,
  change,
  ...(published ? { published } : {}),
});

const operation = (attention: AttentionName, published?: FactorRow['published']) =>
  row(attention, { attention }, published);

/** The factor experiments of 2410.10781, each around the base setting. */
export const factors: readonly Factor[] = [
  {
    name: 'steps',
    title: 'Training steps',
    finding: 'Sinks are absent at first and emerge with effective training.',
    background: {},
    rows: [row('base', {})],
  },
  {
    name: 'learning-rate',
    title: 'Learning rate',
    finding: 'The higher the learning rate, the more heads have a sink after the same number of steps.',
    background: {},
    rows: [
      row('1e-4', { learningRate: 1e-4 }, { sink: 2.9 }),
      row('3e-4', { learningRate: 3e-4 }),
      row('1e-3', {}),
      row('3e-3', { learningRate: 3e-3 }),
    ],
  },
  {
    name: 'weight-decay',
    title: 'Weight decay',
    finding: 'Some weight decay strengthens the sink, a large one (5) removes it together with what was learnt.',
    background: {},
    rows: [
      row('0', { decay: 0 }, { sink: 15.2 }),
      row('0.01', {}),
      row('0.1', { decay: 0.1 }, { sink: 18.18 }),
      row('0.5', { decay: 0.5 }, { sink: 41.08 }),
      row('1', { decay: 1 }, { sink: 37.71 }),
      row('2', { decay: 2 }, { sink: 6.13 }),
      row('5', { decay: 5 }, { sink: 0.01, loss: 5.24 }),
    ],
  },
  {
    name: 'data',
    title: 'Amount of data',
    finding: 'With too little data no sink emerges, even before it is learnt by heart.',
    background: {},
    rows: [
      row('32 sequences', { sequences: 32 }),
      row('256 sequences', { sequences: 256 }),
      row('2,048 sequences', { sequences: 2048 }),
      row('fresh at each step', {}),
    ],
  },
  {
    name: 'window',
    title: 'Sliding window',
    finding: 'The sink is on the absolute first token only, and needs a long window.',
    background: {},
    rows: [row('4', { window: 4 }), row('16', { window: 16 }), row('32', { window: 32 }), row('none', {})],
  },
  {
    name: 'prefix',
    title: 'Prefix language model',
    finding: 'With a prefix that all tokens see, the sink is on one of the prefix tokens.',
    background: {},
    rows: [row('causal', {}), row('prefix of 5', { prefix: 5 })],
  },
  {
    name: 'first-token',
    title: 'First tokens',
    finding: 'The sink is on whatever token is fixed, where it is fixed; random first tokens weaken it.',
    background: {},
    rows: [
      row('free', { firstToken: 'free' }, { sink: 18.18 }),
      row('fixed first', {}, { sink: 74.11 }),
      row('fixed second', { firstToken: 'fixed second' }, { second: 69.03 }),
      row('fixed third', { firstToken: 'fixed third' }, { third: 69.64 }),
      row('random first', { firstToken: 'random' }, { sink: 27.03 }),
      row('two random', { firstToken: 'two random' }, { sink: 1.98, second: 14.08 }),
      row('random second', { firstToken: 'second random' }, { sink: 20.99 }),
    ],
  },
  {
    name: 'position',
    title: 'Position encoding',
    finding: 'Sinks emerge under every position encoding, and without one.',
    background: {},
    rows: [
      row('none', { position: 'none' }, { sink: 20.35 }),
      row('sinusoidal', { position: 'sinusoidal' }, { sink: 32.73 }),
      row('learned', {}, { sink: 33.13 }),
      row('t5-relative', { position: 't5-relative' }, { sink: 35.53 }),
      row('alibi', { position: 'alibi' }, { sink: 20.78 }),
      row('rope', { position: 'rope' }, { sink: 18.18 }),
    ],
  },
  {
    name: 'biases',
    title: 'Biases',
    finding: 'A sink token or a key bias takes the sink over, even with a value of zero; a value bias alone does not.',
    background: { firstToken: 'free' },
    rows: [
      row('none', {}, { sink: 18.18, loss: 3.73 }),
      row('sink token', { firstToken: 'fixed' }, { sink: 74.12, loss: 3.72 }),
      row('KV bias', { attention: 'KV bias' }, { sink: 0.04, null: 72.76, loss: 3.72 }),
      row('K bias', { attention: 'K bias' }, { sink: 0, null: 73.34, loss: 3.72 }),
      row('V bias', { attention: 'V bias' }, { sink: 17.53, loss: 3.73 }),
    ],
  },
  {
    name: 'operation',
    title: 'Attention operation',
    finding: 'Where weights need not sum to one there is no sink, at about the same loss; normalised, it is back.',
    background: {},
    rows: [
      operation('softmax', { sink: 18.18, loss: 3.73 }),
      operation('sigmoid, Z = 1', { sink: 0.44, loss: 3.7 }),
      operation('sigmoid, Z = sum', { sink: 30.24, loss: 3.74 }),
      operation('elu + 1, Z = 1', { sink: 0.8, loss: 3.69 }),
      operation('elu kernel, Z = sum', { sink: 53.65, loss: 4.19 }),
      operation('identity, Z = 1', { sink: 0, loss: 3.99 }),
      operation('MLP kernel, Z = 1', { sink: 0.19 }),
      operation('softmax summing to 2', { sink: 29.1 }),
      operation('softmax summing to 0.2', { sink: 9.41 }),
    ],
  },
  {
    name: 'depth',
    title: 'Depth, heads and norm',
    finding:
      'Norm placement and heads do not matter; three layers with a feed-forward part solve this task without a sink (negative control of the card).',
    background: {},
    rows: [
      row('one head', {}),
      row('four heads', { H: 4 }),
      row('feed-forward, norm before', { F: 172 }),
      row('feed-forward, norm after', { F: 172, norm: 'post' }, { sink: 13.54 }),
      row('3 layers, feed-forward', { L: 3, F: 172 }, { sink: 1 }),
    ],
  },
];

/** The whole setting of a row. */
export function settingOf(
  factor: Factor,
  { change }: FactorRow,
  replaced: Partial<EmergenceSetting> = {},
): EmergenceSetting {
  return { ...baseSetting, ...replaced, ...factor.background, ...change };
}
