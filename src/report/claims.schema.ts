import { z } from 'zod';

/** The shape of `sinklab.claims/1` for untrusted files: nothing unknown, everything bounded, every number finite. */
const text = z.string().max(8192);
const name = z.string().max(256);
const count = z.number().int().min(0).max(Number.MAX_SAFE_INTEGER);

export const claimsSchema = z.strictObject({
  format: z.literal('sinklab.claims/1'),
  sinklab: name,
  size: z.enum(['minutes', 'night']),
  seeds: z.array(count).min(1).max(1024),
  statements: z
    .array(
      z.strictObject({
        card: name,
        title: name,
        source: text,
        name,
        says: text,
        verdict: z.enum(['shown', 'in part', 'not shown at this scale', 'not run']),
        figures: z
          .array(
            z.strictObject({
              about: text,
              /** One for each seed. */
              /** NaN, null in JSON, of a run that diverged. */
              values: z
                .array(z.union([z.number(), z.nan(), z.null().transform(() => Number.NaN)]))
                .min(1)
                .max(1024),
              /** As the card has it; null where it has none. */
              expected: text.nullable(),
              control: z.boolean(),
            }),
          )
          .max(1024),
        note: text.nullable(),
        /** The command that repeats it. */
        command: text,
        /** Of training, all runs together. */
        seconds: z.number().min(0),
      }),
    )
    .max(4096),
  provenance: z.strictObject({ runtime: name, node: name }),
});

/** What method cards say, and what was found: `sinklab.claims/1`. */
export type ClaimsReport = z.infer<typeof claimsSchema>;
