import { wholeText } from '../../attention/places.ts';
import type { Scores } from '../../attention/steps.ts';
import { InputError } from '../../error.ts';
import { hidden } from '../../models/forward.ts';
import { createHooks } from '../../models/hooks.ts';
import type { Model } from '../../models/model.ts';
import type { HostTensor } from '../../runtime/backend.ts';
import {
  crossEntropy,
  dot,
  gather,
  gradients,
  input,
  lower,
  absolute as magnitude,
  mean,
  type Output,
  rename,
  sum,
  type Tensor,
} from '../../tensor/index.ts';
import { attentionInfluence } from './influence.ts';

/** A text of calibration: a prompt, and from `response` on what is answered, best by the model itself. */
export interface CalibrationText {
  readonly ids: readonly number[];
  /** Index of the first token that counts in the loss, from 1. */
  readonly response: number;
}

export interface ProfileOptions {
  /** Tokens of a block. Default 64. */
  readonly block?: number;
  /** Add |E|, so that helpful and harmful entries do not cancel. Default false, as published. */
  readonly absolute?: boolean;
  readonly signal?: AbortSignal | undefined;
  readonly progress?: ((done: number, total: number) => void) | undefined;
}

/** What is lost where blocks of attention are masked, at one length of text. */
export interface InfluenceProfile {
  /** Tokens of each text. */
  readonly length: number;
  readonly block: number;
  /** Mean loss of the responses, in nats for each token. */
  readonly loss: number;
  /** By layer and key/value head: influence by query block and key block [I, J], summed over the head's queries, mean over texts. */
  readonly influence: readonly (readonly Float64Array[])[];
}

/**
 * Attention influence of every block of every head on the loss of responses (2406.14909). One forward and one backward pass for each text;
 * the attention of all layers is in memory at once, several times L · H · T² · 4 bytes.
 *
 * Throws an InputError for texts of different lengths, or without a prompt or a response.
 */
export async function profileInfluence(
  model: Model,
  texts: readonly CalibrationText[],
  { block = 64, absolute = false, signal, progress }: ProfileOptions = {},
): Promise<InfluenceProfile> {
  const T = checkTexts(model, texts);
  if (!Number.isSafeInteger(block) || block < 1)
    throw new InputError(`moa profile: expected block to be a whole number from 1, got ${block}`);
  const { L, G } = model.decoder.sizes;
  const graph = lower(profileOutputs(model, absolute), { weights: 'inputs' });
  const program = await model.runtime.compile(graph);
  const feeds: Record<string, HostTensor> = {};
  for (const { input: name, weight } of graph.weights)
    feeds[name] = { type: 'float32', shape: model.weightShapes.get(weight)!, data: await model.weights.get(weight) };
  const blocks = Math.ceil(T / block);
  const member = new Float32Array(T * blocks);
  for (let t = 0; t < T; t++) member[t * blocks + Math.floor(t / block)] = 1;
  feeds.member = { type: 'float32', shape: [T, blocks], data: member };
  const influence = Array.from({ length: L }, () => Array.from({ length: G }, () => new Float64Array(blocks * blocks)));
  let loss = 0;
  for (const [done, { ids, response }] of texts.entries()) {
    signal?.throwIfAborted();
    progress?.(done, texts.length);
    const int64 = (shape: readonly number[], values: readonly number[]): HostTensor => ({
      type: 'int64',
      shape,
      data: BigInt64Array.from(values, BigInt),
    });
    const targets = ids.slice(response);
    const found = await program.run({
      ...feeds,
      ids: int64([1, T], ids),
      rows: int64(
        [targets.length],
        targets.map((_, i) => response - 1 + i),
      ),
      targets: int64([1, targets.length], targets),
    });
    loss += (found.loss!.data[0] as number) / texts.length;
    influence.forEach((heads, layer) => {
      const data = found[`influence${layer}`]!.data as Float32Array;
      heads.forEach((sums, g) => {
        for (let i = 0; i < sums.length; i++) sums[i]! += data[g * sums.length + i]! / texts.length;
      });
    });
  }
  progress?.(texts.length, texts.length);
  return { length: T, block, loss, influence };
}

/** `loss`, mean over the response, and `influence{layer}` [G, I, J]. */
function profileOutputs({ decoder }: Model, absolute: boolean): Record<string, Output> {
  const patterns: Scores[] = [];
  const hooks = createHooks({
    reads: (name) => name.endsWith('hook_pattern'),
    read: (_, value) => patterns.push(value as unknown as Scores),
    watched: true,
  });
  const stream = hidden(decoder, input('ids', { B: 'B', T: 'T' }, 'int64'), wholeText('T'), hooks);
  const answered = rename(gather(stream, input('rows', { N: 'N' }, 'int64'), 'T'), 'N', 'T');
  const targets = input('targets', { B: 'B', T: 'N' }, 'int64');
  const loss = mean(crossEntropy(decoder.unembed(answered), targets, 'V'), ['B', 'T']);
  const member = input('member', { T: 'T', I: 'I' });
  const keyMember = rename(rename(member, 'T', 'S'), 'I', 'J');
  const outputs: Record<string, Output> = { loss: { value: loss } };
  gradients(loss, patterns).forEach((gradient, layer) => {
    const entries = attentionInfluence(patterns[layer]!, gradient as Scores);
    const rows = sum(absolute ? magnitude(entries) : entries, ['B', 'R']) as Tensor<'G' | 'T' | 'S'>;
    outputs[`influence${layer}`] = { value: dot(dot(rows, keyMember, 'S'), member, 'T'), order: ['G', 'I', 'J'] };
  });
  return outputs;
}

function checkTexts({ decoder: { sizes } }: Model, texts: readonly CalibrationText[]): number {
  const T = texts[0]?.ids.length ?? 0;
  if (T < 2) throw new InputError('moa: expected at least one text of calibration of at least two tokens');
  texts.forEach(({ ids, response }, i) => {
    if (ids.length !== T)
      throw new InputError(`moa: expected all texts of one profile to have ${T} tokens, text ${i} has ${ids.length}`);
    if (!Number.isSafeInteger(response) || response < 1 || response >= T)
      throw new InputError(`moa: text ${i}: expected its response to start from 1 to ${T - 1}, got ${response}`);
    const wrong = ids.find((id) => !Number.isInteger(id) || id < 0 || id >= sizes.V);
    if (wrong !== undefined)
      throw new InputError(`moa: text ${i}: expected token ids from 0 to ${sizes.V - 1}, got ${wrong}`);
  });
  return T;
}
