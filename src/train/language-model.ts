import type { TrainingTap } from '../attention/mechanism.ts';
import { wholeText } from '../attention/places.ts';
import type { Decoder } from '../models/decoder.ts';
import { logits } from '../models/forward.ts';
import { createHooks, type Edits, type HookOptions } from '../models/hooks.ts';
import { Dim } from '../tensor/dim.ts';
import { crossEntropy, divide, input, mean, multiply, slice, sum, type Tensor, type Within } from '../tensor/index.ts';
import { type InitialOptions, normalInitial } from './initial.ts';
import { watchedValues } from './language-model-watch.ts';
import { parametersOf } from './parameter.ts';
import { collectTraining, type Task } from './task.ts';

export interface LanguageModelOptions {
  /** Sequences of a batch. Default: as many as are fed. */
  readonly B?: number;
  /** Predicted tokens of a sequence, one less than the ids that are fed. Fixed sizes let the runtime prepare tables once. Default: any. */
  readonly T?: number;
  /** Hook points to change while the model runs and learns. Default none. */
  readonly edit?: Edits;
  /** Feed `counted` [B, T] as well: float32, how much each predicted token counts; the loss is the weighted mean. Default false. */
  readonly counted?: boolean;
  /** Initial values. Default: matrices N(0, 0.02²), norms fresh, the rest 0. */
  readonly initial?: InitialOptions;
}

/** A decoder as a task. Inputs: `ids` [B, T + 1] int64, and `counted` where that was asked for. */
export interface LanguageModelTask extends Task {
  /** For validation: `loss`, and the loss of each token `perToken` [B, T], in nats, from a program without a backward pass. */
  readonly evaluation: Readonly<Record<'loss' | 'perToken', Within<string>>>;
  /** What is watched while it learns, for a program of its own that runs every so often; see `WatchedName`. */
  readonly watch: ReturnType<typeof watchedValues>;
}

/**
 * Next-token prediction with a decoder: mean cross-entropy in nats over all B · T predicted tokens. A decoder whose mechanisms have terms of the
 * loss or running means of their own is given as a function of where they go: `(training) => smallDecoder({ …, training })`.
 */
export function languageModelTask(
  decoder: Decoder | ((training: TrainingTap) => Decoder),
  options: LanguageModelOptions = {},
): LanguageModelTask {
  const { B = 'B', edit = {} } = options;
  const training = collectTraining();
  const learning = typeof decoder === 'function' ? decoder(training.tap) : decoder;
  // Validating and watching add nothing to the loss and move no running means.
  const still = typeof decoder === 'function' ? decoder(collectTraining().tap) : decoder;
  const fed = options.T === undefined ? Dim.of('N') : Dim.of(options.T + 1);
  const T = fed.minus(1);
  const ids = input('ids', { B, T: fed }, 'int64');
  const counted = options.counted ? input('counted', { B, T }) : undefined;
  const losses = (of: Decoder, hookOptions: HookOptions) => {
    const scores = logits(of, slice(ids, 'T', 0, T), wholeText(T), createHooks({ edit, ...hookOptions }));
    return crossEntropy(scores, slice(ids, 'T', 1, fed), 'V');
  };
  const average = (values: Tensor<'B' | 'T'>): Tensor<never> =>
    counted ? divide(sum(multiply(values, counted), ['B', 'T']), sum(counted, ['B', 'T'])) : mean(values, ['B', 'T']);
  // The fused operator has no gradient.
  const loss = training.withTerms(average(losses(learning, { watched: true })));
  const perToken = losses(still, {});
  const { freshNorm: norm, fresh } = learning;
  const ordinary = normalInitial(parametersOf([loss]), {
    ...(norm === undefined ? {} : { norm }),
    ...options.initial,
  });
  return {
    loss,
    initial: (name, shape, random) => fresh?.(name, shape, random) ?? ordinary(name, shape, random),
    buffers: training.buffers,
    evaluation: { loss: average(perToken), perToken },
    watch: watchedValues(still, slice(ids, 'T', 0, T), T, edit),
  };
}
