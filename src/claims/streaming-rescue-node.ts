import { z } from 'zod';
import { DecodingEngine } from '../cache/engine.ts';
import { middleTokens } from '../cache/policies/middle-tokens.ts';
import { streamingLlm } from '../cache/policies/streaming-llm.ts';
import { slidingWindow } from '../cache/policies/window.ts';
import { InputError } from '../error.ts';
import { DEFAULT_TEXT } from '../load/default-text.ts';
import { type Tokenizer, withBos } from '../load/tokenizer.ts';
import type { Experiment } from './experiment.ts';
import { average } from './figures.ts';
import { foundModel, type MeasuredModel, measuredModel, modelName, withModel } from './model-at-hand-node.ts';
import { afreshLosses, riseOf, streamedLosses } from './streaming-losses.ts';

const settingSchema = z.strictObject({
  model: modelName,
  /** Of the text. */
  tokens: z.number().int().min(32).max(100_000),
  /** Entries that each head keeps. Three times as many tokens are read, or more, so that the control's own tokens are past. */
  capacity: z.number().int().min(10).max(8192),
});

export type StreamingRescueSetting = z.infer<typeof settingSchema>;

/**
 * One text streamed under caches of one size C. Mean losses in nats after the first C tokens: `window` (the last C), `four` and `eight`
 * (so many first tokens and the last), `newlines` (four newlines in front in their place), `afresh` (see `afreshLosses`: how hard the text
 * is). `rise` and `windowRise`: along the straight line through what `four` and `window` lose beside `afresh`. After the first 2 C, when the
 * control's tokens stand apart from the last ones: `middle` (four of the middle in place of the first), `windowLate`, `fourLate`.
 */
export const streamingRescue: Experiment<StreamingRescueSetting, MeasuredModel> = {
  name: 'streaming-rescue',
  version: 1,
  setting: settingSchema,
  result: measuredModel,
  keeps: foundModel,
  async run({ model: name, tokens, capacity: C }, seed, context) {
    if (tokens < 3 * C)
      throw new InputError(`streaming-rescue: expected at least ${3 * C} tokens for a capacity of ${C}, got ${tokens}`);
    return withModel(name, context, async (model, tokenizer) => {
      const { signal, progress } = context;
      const ids = textOf(tokenizer, tokens, seed);
      await using engine = new DecodingEngine(model);
      // Tokens that go one by one take several times as long as those that go in chunks.
      const work = (4 + 2 + 5) * tokens;
      let done = 0;
      const losses = async (policy: ReturnType<typeof streamingLlm>, front: readonly number[] = [], price = 1) => {
        const tell = (read: number) => progress?.((done + price * read) / work);
        const found = await streamedLosses(model, { policy, front, ids, engine, signal, progress: tell });
        done += price * tokens;
        return found;
      };
      const newline = newlineOf(tokenizer);
      const window = await losses(slidingWindow({ recent: C }));
      const four = await losses(streamingLlm({ sinks: 4, recent: C - 4 }));
      const eight = await losses(streamingLlm({ sinks: 8, recent: C - 8 }));
      const newlines = await losses(streamingLlm({ sinks: 4, recent: C - 4 }), Array(4).fill(newline));
      const afresh = await afreshLosses(
        model,
        { ids, engine, signal, progress: (read) => progress?.((done + 2 * read) / work) },
        C,
      );
      done += 2 * tokens;
      const middle = await losses(middleTokens({ middle: 4, recent: C - 4 }), [], 5);
      const after = (values: Float64Array) => average(values.subarray(C));
      const late = (values: Float64Array) => average(values.subarray(2 * C + 4));
      const beside = (values: Float64Array) => values.subarray(C).map((value, t) => value - afresh[C + t]!);
      return {
        ...{ window: after(window), four: after(four), eight: after(eight), newlines: after(newlines) },
        afresh: after(afresh),
        ...{ rise: riseOf(beside(four)), windowRise: riseOf(beside(window)) },
        ...{ middle: late(middle), windowLate: late(window), fourLate: late(four) },
      };
    });
  },
};

/** The text that ships from a place that depends on the seed, as far apart as there is room. */
function textOf(tokenizer: Tokenizer, tokens: number, seed: number): number[] {
  const all = tokenizer.encode(DEFAULT_TEXT, { specialTokens: false });
  if (all.length < tokens)
    throw new InputError(`streaming-rescue: the text that ships has ${all.length} tokens, ${tokens} were asked for`);
  const start = (seed * tokens) % (all.length - tokens + 1);
  return withBos(tokenizer, all.slice(start, start + tokens), 'auto').ids.slice(0, tokens);
}

function newlineOf(tokenizer: Tokenizer): number {
  const [id, ...more] = tokenizer.encode('\n', { specialTokens: false });
  if (id !== undefined && more.length === 0) return id;
  throw new InputError('streaming-rescue: the tokenizer has no token for a newline; take another model');
}
