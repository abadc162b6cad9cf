import type { HostTensor } from '../../runtime/backend.ts';
import type { Task } from '../task.ts';

/** What a measurement of a trained toy is expected to be, as its card says. */
export interface Expectation {
  readonly metric: string;
  /** What it means, in words. */
  readonly about: string;
  readonly least?: number;
  readonly most?: number;
}

/** A task small enough to be trained in seconds to a minute, with data drawn from a seed. */
export interface Toy {
  readonly name: string;
  /** What it shows, one sentence. */
  readonly about: string;
  /** arXiv id of the card it is taken from. */
  readonly source: string;
  readonly steps: number;
  /** Sequences of one step. */
  readonly batch: number;
  readonly learningRate: number;
  /** β₂ of AdamW, whose β₁ is 0.9. Default 0.95. */
  readonly beta2?: number;
  /** Decoupled weight decay of AdamW, on matrices. */
  readonly decay: number;
  /** Linear warm-up in steps, and the share of the end in which the learning rate falls linearly to zero. */
  readonly warmUp: number;
  readonly decline: number;
  readonly task: () => Task;
  /** One batch; the same numbers from the same random source. */
  readonly sample: (random: () => number, batch: number) => Record<string, HostTensor>;
  readonly expected: readonly Expectation[];
}
