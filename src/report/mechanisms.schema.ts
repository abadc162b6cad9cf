import { z } from 'zod';

/** The shape of `sinklab.mechanisms/1` for untrusted files: nothing unknown, everything bounded. */
const text = z.string().max(4096);
const name = z.string().max(256);
const real = z.number();
/** NaN, null in JSON: training diverged. */
const figure = z.union([real, z.nan(), z.null().transform(() => Number.NaN)]);
const count = z.number().int().min(0).max(Number.MAX_SAFE_INTEGER);
const figures = z.record(z.string().max(64), figure);

export const mechanismsSchema = z.strictObject({
  format: z.literal('sinklab.mechanisms/1'),
  sinklab: name,
  /** Share of each toy's own steps. */
  share: z.number().positive(),
  seeds: z.array(count).min(1).max(1024),
  toys: z.array(z.strictObject({ name, about: text, steps: count })).min(1),
  mechanisms: z
    .array(
      z.strictObject({
        name,
        card: name,
        title: name,
        source: text,
        idea: text,
        equation: text,
        /** A call of an export of `sinklab/attention`. */
        example: text,
        citations: z.array(z.strictObject({ authors: text, title: text, year: count, arxiv: z.exactOptional(name) })),
        /** What the rows of the pattern sum to. */
        rows: z.enum(['one', 'part', 'any', 'none']),
        /** What the card expects of the sink in bigram-backcopy, and whether it is so: null where the card says nothing or there is no pattern. */
        expected: z.enum(['gone', 'keeps', 'reduced', 'moved', 'open']),
        asExpected: z.boolean().nullable(),
        /** Of one layer in the first toy: trained numbers, operations of products of one text, bytes of state when decoding. */
        cost: z.strictObject({
          parameters: count,
          flops: count,
          state: z.strictObject({ perToken: count, constant: z.number().int() }),
        }),
        /** By toy, one run for each seed. */
        runs: z.record(
          name,
          z.array(
            z.strictObject({
              seed: count,
              values: figures,
              untrained: figures,
              gradientNorm: z.strictObject({ mean: figure, largest: figure }),
              seconds: real.min(0),
            }),
          ),
        ),
      }),
    )
    .max(4096),
  provenance: z.strictObject({ runtime: name, node: name, seconds: real.min(0) }),
});

/** All mechanisms in the same toys: `sinklab.mechanisms/1`. */
export type MechanismsReport = z.infer<typeof mechanismsSchema>;
export type MechanismRow = MechanismsReport['mechanisms'][number];
