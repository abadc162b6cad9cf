import { z } from 'zod';

/** The shape of `sinklab.train/1` for untrusted files: nothing unknown, every array and string bounded, every number finite. */
const text = z.string().max(4096);
const name = z.string().max(256);
const real = z.number();
const count = z.number().int().min(0).max(Number.MAX_SAFE_INTEGER);
const step = count.min(1);
const share = z.number().min(0).max(1.000_01);
const layers = <T extends z.ZodType>(entry: T) => z.array(entry).max(1024);
const points = <T extends z.ZodType>(entry: T) => z.array(entry).max(1_000_000);

export const trainSchema = z.strictObject({
  format: z.literal('sinklab.train/1'),
  sinklab: name,
  recipe: z.strictObject({
    name,
    about: text,
    kind: z.enum(['toy', 'language model']),
    /** Where a toy is taken from; null for a language model. */
    source: text.nullable(),
  }),
  /** What decides the run, by name: sizes, batch, learning rate, decay. */
  settings: z.record(name, z.union([real, text, z.boolean(), z.null()])),
  seed: count,
  /** Updates done and asked for. */
  steps: z.strictObject({ done: count, asked: step }),
  /** After each update; loss in nats for language models, gradient norm before clipping; `metrics` are a toy's own. */
  curve: points(
    z.strictObject({
      step,
      loss: real,
      gradientNorm: real,
      learningRate: real,
      tokensPerSecond: real.nullable(),
      metrics: z.exactOptional(z.record(name, real)),
    }),
  ),
  /**
   * Attention and residual on training texts. Sink rate: share of heads whose mean attention to the first token, row 0 included, is above
   * 0.3; alpha: that attention, mean over heads and texts, for each layer; largestRatio: largest |residual| over its mean, for each layer.
   */
  watched: points(
    z.strictObject({
      step,
      sinkRate: share,
      sinkRateByLayer: layers(share),
      alpha: layers(share),
      largestRatio: layers(real),
    }),
  ),
  /** alpha if all keys were attended to alike: the mean of 1/t over a sequence; null where nothing was watched. */
  uniform: share.nullable(),
  /** Loss in nats per token, and its exponential. */
  validation: points(z.strictObject({ step, loss: real, perplexity: real, tokens: step })),
  /** A toy's expectations with what was found: mean over the last ten updates. */
  verdicts: z
    .array(
      z.strictObject({
        metric: name,
        about: text,
        least: z.exactOptional(real),
        most: z.exactOptional(real),
        found: real,
        shown: z.boolean(),
      }),
    )
    .max(64),
  provenance: z.strictObject({
    data: z
      .array(z.strictObject({ role: name, name: text, sha256: z.string().max(64), tokens: z.exactOptional(count) }))
      .max(16),
    parameters: count,
    runtime: name,
    device: name,
    node: name,
    threads: count,
    seconds: real.min(0),
  }),
});

/** A training run as data: `sinklab.train/1`. */
export type TrainResult = z.infer<typeof trainSchema>;
