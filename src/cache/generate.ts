import { InputError } from '../error.ts';
import type { Tokenizer } from '../load/tokenizer.ts';
import { RunningText } from './running-text.ts';
import { checkSampler, defaultRepetitionWindow, type SamplerOptions, sample } from './sampler.ts';
import type { Stream } from './stream.ts';

export interface GenerateOptions {
  /** Tokens of each text, from 1. Default: without end. */
  readonly maxTokens?: number | undefined;
  /** Ids that end a text, beside EOS. Default none. */
  readonly stopIds?: readonly number[] | undefined;
  /** Goes on after EOS, which is read as any token. Default false. */
  readonly ignoreEos?: boolean | undefined;
  /** Texts that end a text; they are not part of what is given. Default none. */
  readonly stop?: readonly string[] | undefined;
  readonly signal?: AbortSignal | undefined;
  /** For each text its own, or one for all, whose seed counts up by text. Default greedy. */
  readonly sampler?: SamplerOptions | readonly SamplerOptions[] | undefined;
  /** What was read before, by text: of use to the repetition penalty alone. Default nothing. */
  readonly before?: readonly (readonly number[])[] | undefined;
  /** Default: the model's. Without one, texts are empty. */
  readonly tokenizer?: Tokenizer | undefined;
}

export interface GeneratedToken {
  readonly id: number;
  /** What may be shown now: nothing while a character or a possible stop string is incomplete, then all of it. */
  readonly text: string;
  /** log p of the token under the model itself, before penalties, temperature and filters; nats. */
  readonly logProbability: number;
  /** Text of the batch. */
  readonly row: number;
  /** With the last token of a text: why it ended. */
  readonly ended?: 'stop id' | 'stop string' | 'max tokens';
}

/**
 * Continues the texts of a stream, token by token, until all have ended, the loop over it is left, or the signal aborts it. Whatever ended
 * it, the stream is as it was after the tokens given so far, and can be read into, continued or saved: every token that is given has been
 * read, but for a stop id, which has not. (Where a loop over several texts is left, those of one step have been read together.)
 *
 * @throws InputError for options outside their range, or where a text has nothing to go on from; the signal's reason when it aborts.
 */
export async function* generate(stream: Stream, options: GenerateOptions = {}): AsyncGenerator<GeneratedToken, void> {
  const { signal, maxTokens = Number.POSITIVE_INFINITY } = options;
  const { tokenizer, stopIds, rows } = prepared(stream, options);
  const going = new Set(rows.keys());
  while (going.size > 0) {
    signal?.throwIfAborted();
    const given: GeneratedToken[] = [];
    const read = new Array<number | undefined>(rows.length).fill(undefined);
    for (const row of going) {
      const state = rows[row]!;
      const logits = stream.logits[row]!;
      const id = sample(logits, state.sampler, { before: state.before, position: stream.lengths[row]! });
      const logProbability = logits[id]! - stream.normalisers[row]!;
      if (stopIds.has(id)) {
        given.push({ id, text: state.text.end(), logProbability, row, ended: 'stop id' });
        continue;
      }
      read[row] = id;
      state.given++;
      state.before.push(id);
      if (state.before.length > state.window) state.before.shift();
      const piece = tokenizer ? state.text.push(tokenizer.tokenBytes(id)) : { text: '', stopped: false };
      const ended = piece.stopped ? 'stop string' : state.given >= maxTokens ? 'max tokens' : undefined;
      const text = ended === 'max tokens' ? piece.text + state.text.end() : piece.text;
      given.push({ id, text, logProbability, row, ...(ended ? { ended } : {}) });
    }
    if (read.some((id) => id !== undefined)) await stream.next(read);
    for (const token of given) {
      if (token.ended) going.delete(token.row);
      yield token;
    }
  }
}

interface Row {
  readonly sampler: SamplerOptions;
  readonly window: number;
  readonly before: number[];
  readonly text: RunningText;
  given: number;
}

function prepared(stream: Stream, options: GenerateOptions) {
  const { maxTokens, stop = [], sampler = {}, ignoreEos = false, before = [] } = options;
  const tokenizer = options.tokenizer ?? stream.model.tokenizer;
  if (
    maxTokens !== undefined &&
    maxTokens !== Number.POSITIVE_INFINITY &&
    !(Number.isSafeInteger(maxTokens) && maxTokens >= 1)
  )
    throw new InputError(`generate: expected maxTokens to be a whole number from 1, or Infinity, got ${maxTokens}`);
  if (stop.includes(''))
    throw new InputError('generate: expected stop strings of one character or more, got an empty one');
  if (stop.length > 0 && !tokenizer)
    throw new InputError('generate: stop strings need a tokenizer, and this model has none; take stopIds');
  const { length: B } = stream.lengths;
  const samplers = Array.isArray(sampler)
    ? (sampler as readonly SamplerOptions[])
    : stream.lengths.map((_, row) => seeded(sampler as SamplerOptions, row));
  if (samplers.length !== B)
    throw new InputError(`generate: expected ${B} samplers, one for each text, got ${samplers.length}`);
  samplers.forEach(checkSampler);
  const rows = samplers.map((one, row): Row => {
    if (!stream.logits[row])
      throw new InputError(
        `generate: text ${row} has nothing to go on from; read a prompt first, BOS alone if need be`,
      );
    const window = one.repetitionWindow ?? defaultRepetitionWindow;
    return { sampler: one, window, before: (before[row] ?? []).slice(-window), text: new RunningText(stop), given: 0 };
  });
  const eos = ignoreEos ? undefined : tokenizer?.eosId;
  return { tokenizer, stopIds: new Set([...(options.stopIds ?? []), ...(eos === undefined ? [] : [eos])]), rows };
}

const seeded = (sampler: SamplerOptions, row: number): SamplerOptions =>
  row === 0 ? sampler : { ...sampler, seed: (sampler.seed ?? 0) + row };
