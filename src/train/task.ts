import type { TrainingTap } from '../attention/mechanism.ts';
import { add, type Tensor, type Within } from '../tensor/index.ts';

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
  /** Stored tensors that are no parameters: after each update they hold these values (running means). Default none. */
  readonly buffers?: Readonly<Record<string, Within<string>>>;
  readonly initial: Initial;
}

/** Collects what mechanisms give to training while a task's graph is built. */
export function collectTraining(): {
  readonly tap: TrainingTap;
  /** The loss with all terms that were given. */
  readonly withTerms: (loss: Tensor<never>) => Tensor<never>;
  readonly buffers: Readonly<Record<string, Within<string>>>;
} {
  const terms: Tensor<never>[] = [];
  const buffers: Record<string, Within<string>> = {};
  return {
    tap: {
      loss: (term) => void terms.push(term),
      buffer: (name, next) => {
        buffers[name] = next;
      },
    },
    withTerms: (loss) => terms.reduce((total, term) => add(total, term), loss),
    buffers,
  };
}
