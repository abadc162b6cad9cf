import { z } from 'zod';

/** The shape of `sinklab.policies/1` for untrusted files: nothing unknown, everything bounded, every number finite. */
const text = z.string().max(4096);
const name = z.string().max(256);
const real = z.number();
const most = 2 ** 20;
const count = z.number().int().min(0).max(Number.MAX_SAFE_INTEGER);
const index = z.number().int().min(0).max(most);
/** What stands in front of a text is negative. */
const place = z.number().int().min(-4096).max(most);
const nullable = real.nullable();

const span = { label: name, from: index, to: index };
const left = z.strictObject({ ...span, firstLost: index.nullable(), allLost: index.nullable() });

/** What came of one policy. */
export const policyRunSchema = z.strictObject({
  label: name,
  name,
  source: name,
  keeps: text,
  decides: text,
  positions: z.enum(['absolute', 'cache-relative']),
  newlines: z.number().int().min(0).max(4096),
  /** −log p of every token, nats; null where it was not predicted or is not finite. */
  losses: z.array(nullable).max(most),
  ended: z.strictObject({ at: index, why: text }).nullable(),
  /** Bytes of keys and values that are held when this token comes; and the most that the cache took, with free room and copies. */
  bytes: z.array(z.tuple([index, count])).max(most),
  allocated: count,
  /** Median milliseconds of a token, from this one on. */
  times: z.array(z.tuple([index, real.min(0)])).max(most),
  kept: z
    .array(
      z.strictObject({
        at: index,
        /** Tokens from, to, and the share of caches that hold them. */
        runs: z.array(z.tuple([place, place, real.gt(0).max(1)])).max(2 ** 16),
      }),
    )
    .max(16),
  left: z.array(left).max(64),
  needles: z
    .array(
      z.strictObject({
        depth: real.min(0).max(1),
        code: name,
        found: z.boolean(),
        logProbability: nullable,
        tokens: index,
        left,
      }),
    )
    .max(1024),
  notes: z.array(text).max(16),
  seconds: real.min(0),
});

const figures = z.strictObject({
  label: name,
  tokens: index,
  loss: nullable,
  error: nullable,
  perplexity: nullable,
  ratio: z.strictObject({ value: real.min(0), error: nullable, tokens: index }).nullable(),
  early: nullable,
  late: nullable,
  bytes: count,
});

export const policiesSchema = z.strictObject({
  format: z.literal('sinklab.policies/1'),
  sinklab: name,
  date: name,
  model: z.strictObject({
    source: text,
    family: name,
    layers: count,
    keyValueHeads: count,
    headWidth: count,
    maxPositions: count,
    files: z.array(z.strictObject({ name: text, bytes: count, sha256: z.string().max(64) })).max(4096),
  }),
  text: z.strictObject({
    source: text,
    tokens: z.number().int().min(2).max(most),
    /** Of the ids as decimal numbers with commas. */
    sha256: z.string().max(64),
    bosAdded: z.boolean(),
    firstIds: z.array(count).max(16),
  }),
  /** Entries that each head may keep. */
  capacity: z.number().int().min(1).max(most),
  /** What decides how policies were run; the same for all. */
  settings: z.strictObject({
    oneByOne: z.boolean(),
    /** Timed stretches: from one to the next, and tokens of each. */
    every: count,
    stretch: count,
    /** Every which token `recompute` predicts. */
    stride: count,
    limit: count,
    seed: count,
  }),
  /** The policy that others are held against. */
  reference: name.nullable(),
  policies: z.array(policyRunSchema).min(1).max(64),
  figures: z.array(figures).min(1).max(64),
  provenance: z.strictObject({
    runtime: name,
    device: name,
    threads: count,
    weights: name,
    node: name,
    seconds: real.min(0),
  }),
});

/** Policies over one text: `sinklab.policies/1`. */
export type PoliciesReport = z.infer<typeof policiesSchema>;
export type PolicyRow = PoliciesReport['policies'][number];
export type PolicyFiguresRow = PoliciesReport['figures'][number];
