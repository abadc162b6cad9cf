import { z } from 'zod';

/** The shape of `sinklab.stream/1` for untrusted files: nothing unknown, everything bounded, every number finite. */
const name = z.string().max(256);
const real = z.number();
const count = z.number().int().min(0).max(Number.MAX_SAFE_INTEGER);

/** Characters of a generated text that a report keeps. */
export const longestText = 4_000_000;
/** Points of a curve. */
export const mostPoints = 256;

export const streamSchema = z.strictObject({
  format: z.literal('sinklab.stream/1'),
  sinklab: name,
  model: z.strictObject({ source: z.string().max(4096), family: name, parameters: count }),
  policy: z.strictObject({
    /** As it is called on the command line. */
    name,
    /** With its sizes. */
    title: name,
    source: name,
    keeps: z.string().max(4096),
    decides: z.string().max(4096),
    positions: z.enum(['absolute', 'cache-relative']),
    /** Entries of a head, sinks included. */
    capacity: count.min(1),
  }),
  weights: z.enum(['stored', 'float32', 'int8', 'int4']),
  sampler: z.strictObject({
    temperature: real.min(0),
    topK: count.nullable(),
    topP: real,
    minP: real,
    repetitionPenalty: real.positive(),
    seed: count,
  }),
  /** Where it came from, its tokens, and how many of them are a pinned system prompt. */
  prompt: z.strictObject({ source: z.string().max(4096), tokens: count, system: count, resumed: z.boolean() }),
  generated: z.strictObject({
    tokens: count,
    ended: z.enum(['max tokens', 'stop string', 'stop id', 'cache full', 'interrupted']),
    /** Mean −log p under the model itself, nats per token; null where nothing was generated. */
    loss: real.nullable(),
    text: z.string().max(longestText),
    /** Is the text longer than a report keeps? */
    textCut: z.boolean(),
  }),
  speed: z.strictObject({ promptSeconds: real.min(0), seconds: real.min(0), tokensPerSecond: real.min(0) }),
  /** Stretches of equal length, in order: mean time per token, mean −log p, and memory of the process at its end. */
  curve: z
    .array(
      z.strictObject({
        from: count,
        tokens: count.min(1),
        milliseconds: real.min(0),
        loss: real,
        residentBytes: count,
      }),
    )
    .max(mostPoints),
  /** At the end: tokens read in all, entries of the first layer's first head, bytes of keys and values. */
  cache: z.strictObject({ read: count, entries: count, bytes: count }),
  provenance: z.strictObject({ runtime: name, device: name, node: name, threads: count }),
});

/** A text that was generated under a cache policy: `sinklab.stream/1`. */
export type StreamReport = z.infer<typeof streamSchema>;
