import { InputError } from '../error.ts';
import { crossEntropy, input, lower } from '../tensor/index.ts';
import { weightFeeds } from './compile.ts';
import { createHooks, type Edits } from './hooks.ts';
import type { TokenBatch } from './input.ts';
import { rectangle } from './input.ts';
import type { Model } from './model.ts';
import { run } from './run.ts';

export interface LossOptions {
  /** Hook points to change while the model runs. Default none. */
  readonly edit?: Edits;
}

export interface Loss {
  /** Mean over all predicted tokens of −ln p(next token), in nats. */
  readonly mean: number;
  /** exp(mean). */
  readonly perplexity: number;
  /** Number of predicted tokens. */
  readonly tokens: number;
  /** [B][T − 1] −ln p of each token after the first, in nats; NaN beside padding. */
  readonly perToken: readonly Float64Array[];
}

/** Positions of one run of the output table: logits of more than these never exist at once. */
const chunk = 128;

/**
 * Cross-entropy of a batch under the model: each token predicted from those before it. Logits are reduced inside the graph, a chunk of
 * positions at a time. Throws an InputError when no text has two tokens.
 */
export async function loss(model: Model, batch: TokenBatch, { edit = {} }: LossOptions = {}): Promise<Loss> {
  const { M } = model.decoder.sizes;
  const { B, T, ids, real } = rectangle(batch, model.decoder.sizes);
  if (T < 2) throw new InputError('loss: expected at least one text of two tokens');
  const { captured } = await run(model, batch, { logits: false, capture: ['ln_final.hook_out'], edit });
  const stream = captured.get('ln_final.hook_out')!.data as Float32Array;
  const program = await compileLoss(model, edit);
  const perToken = Array.from({ length: B }, () => new Float64Array(T - 1).fill(Number.NaN));
  let total = 0;
  let tokens = 0;
  for (let b = 0; b < B; b++)
    for (let start = 0; start < T - 1; start += chunk) {
      const size = Math.min(chunk, T - 1 - start);
      const first = b * T + start;
      const values = await program(stream.slice(first * M, (first + size) * M), ids.slice(first + 1, first + 1 + size));
      for (let i = 0; i < size; i++) {
        if (real && !(real[first + i] && real[first + i + 1])) continue;
        perToken[b]![start + i] = values[i]!;
        total += values[i]!;
        tokens++;
      }
    }
  if (tokens === 0) throw new InputError('loss: expected at least one text of two tokens that are not padding');
  return { mean: total / tokens, perplexity: Math.exp(total / tokens), tokens, perToken };
}

/** −ln softmax(unembed(x))[target]. */
async function compileLoss(model: Model, edit: Edits) {
  const { M } = model.decoder.sizes;
  const targets = input('targets', { B: 'B', T: 'T' }, 'int64');
  const hooks = createHooks({ edit });
  const logits = hooks.outer('unembed.hook_out', model.decoder.unembed(input('x', { B: 'B', T: 'T', M })));
  const value = crossEntropy(logits, targets, 'V');
  const graph = lower({ loss: { value, order: ['B', 'T'] } }, { weights: 'inputs' });
  const program = await model.runtime.compile(graph);
  const weights = await weightFeeds(model, graph);
  return async (x: Float32Array, next: BigInt64Array) => {
    const T = next.length;
    const { loss: values } = await program.run({
      ...weights,
      x: { type: 'float32', shape: [1, T, M], data: x },
      targets: { type: 'int64', shape: [1, T], data: next },
    });
    return values!.data as Float32Array;
  };
}
