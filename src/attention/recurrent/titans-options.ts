import { InputError } from '../../error.ts';
import { rmsNorm } from '../../layers/norms.ts';
import { add, multiply, sigmoid, type Tensor, weight } from '../../tensor/index.ts';
import type { MechanismSite } from '../mechanism.ts';
import type { Places } from '../places.ts';
import type { Stream } from '../steps.ts';
import { checkCount, type NeuralMemory, type NeuralMemoryOptions, neuralMemory } from './neural-memory.ts';

/**
 * How what attention gives (y) and what memory gives (m) become one. `normed`: RMSNorm(y) ⊙ σ(RMSNorm(m)); `sigmoid`: y ⊙ σ(m) and `sum`:
 * y + m, as lucidrains' code has them; `attention`: y alone, the gate fixed to one (a control).
 */
export type MemoryGate = 'normed' | 'sigmoid' | 'sum' | 'attention';

export interface TitansOptions extends NeuralMemoryOptions {
  /** N_p, learned tokens in front of every window. Default 4 (the paper: 128). */
  readonly persistent?: number;
  /**
   * Tokens of a window, or of a segment where memory is context. Default: the site's window, else a quarter of the training context, so that
   * there is something for memory to do.
   */
  readonly window?: number;
  /** Default `normed`. Not for memory as a layer, which has no gate. */
  readonly gate?: MemoryGate;
  /** Does attention see what memory retrieved for the segment (memory as context)? Default true. */
  readonly retrieved?: boolean;
}

/** What all variants read of site and options. */
export interface TitansSetting {
  readonly memory: NeuralMemory;
  readonly window: number;
  readonly persistent: number;
  /** P [P, M]; undefined when there are none. */
  readonly front: Tensor<'P' | 'M'> | undefined;
  join(y: Stream, m: Stream): Stream;
}

/** Name of the memory's tensors below `self_attn.`. */
const below = 'self_attn.memory';

export function titansSetting(site: MechanismSite, options: TitansOptions): TitansSetting {
  const { at, sizes, epsilon, context } = site;
  const { persistent = 4, gate = 'normed' } = options;
  const window = options.window ?? site.window ?? Math.max(1, Math.ceil(context / 4));
  checkCount('persistent', persistent, 0);
  checkCount('window', window, 1);
  const norm = (x: Stream, which: string) => rmsNorm(x, 'M', at(`self_attn.${which}`), { epsilon });
  const joins: Record<MemoryGate, (y: Stream, m: Stream) => Stream> = {
    normed: (y, m) => multiply(norm(y, 'attention_norm'), sigmoid(norm(m, 'memory_norm'))),
    sigmoid: (y, m) => multiply(y, sigmoid(m)),
    sum: (y, m) => add(y, m),
    attention: (y) => y,
  };
  const join = joins[gate];
  if (!join)
    throw new InputError(`titans: gate must be one of ${Object.keys(joins).join(', ')}, got ${JSON.stringify(gate)}`);
  return {
    ...{ window, persistent, join, memory: neuralMemory(at(below), sizes, epsilon, options) },
    front: persistent > 0 ? weight(at('self_attn.persistent_memory'), { P: persistent, M: sizes.M }) : undefined,
  };
}

/** Padding would be written into the memory: a batch of texts of unequal length is refused. */
export function refusePadding({ keyIsReal }: Places): void {
  if (keyIsReal)
    throw new InputError(
      'titans: padding would be written into the memory, so expected texts of one length, got keyIsReal; run each text alone',
    );
}
