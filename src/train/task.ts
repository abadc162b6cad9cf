import type { Tensor, Within } from '../tensor/index.ts';

/** Standard normal numbers, one a call, from the run's seed and the parameter's name: the order of parameters does not matter. */
export type SeededNormal = () => number;

/** Initial value of a parameter, row-major in the order of its axes. */
export type Initial = (name: string, shape: readonly number[], random: SeededNormal) => Float32Array<ArrayBuffer>;

/** What is trained: any graph. Its `weight(...)` nodes are the parameters; its `input(...)` nodes are fed at each step. */
export interface Task {
  /** Mean loss, no axes. */
  readonly loss: Tensor<never>;
  /** Small values fetched at each step: no axes, or few. They leave in canonical order of axes. Default none. */
  readonly metrics?: Readonly<Record<string, Within<string>>>;
  readonly initial: Initial;
}
