import { z } from 'zod';

/** The shape of `sinklab.emergence/1` for untrusted files: nothing unknown, every array and string bounded, every number finite. */
const text = z.string().max(4096);
const name = z.string().max(256);
const real = z.number();
const count = z.number().int().min(0).max(Number.MAX_SAFE_INTEGER);
const share = z.number().min(0).max(1.000_01);
const look = z.strictObject({
  step: count,
  loss: real,
  sinkRate: z.array(share).min(1).max(64),
  alpha: share,
  nullRate: share.nullable(),
  nullMass: share.nullable(),
  mass: real.nullable(),
  largestRatio: real,
  firstNormRatio: real,
  gradientNorm: real.nullable(),
});

export const emergenceSchema = z.strictObject({
  format: z.literal('sinklab.emergence/1'),
  sinklab: name,
  seeds: z.array(count).min(1).max(1024),
  /** Share of heads above ε 0.3 if all keys were attended to alike. */
  uniform: share,
  factors: z
    .array(
      z.strictObject({
        name,
        title: name,
        finding: text,
        verdict: z.enum(['shown', 'in part', 'not shown at this scale']),
        rows: z
          .array(
            z.strictObject({
              label: name,
              setting: z.record(name, z.union([real, name, z.boolean(), z.null()])),
              /** What the paper has for its model of 60M parameters: shares of heads in per cent, loss in nats. */
              published: z.record(name, real).nullable(),
              parameters: count,
              /** One for each seed. */
              runs: z
                .array(z.strictObject({ seed: count, seconds: real, looks: z.array(look).min(1).max(100_000) }))
                .min(1),
            }),
          )
          .min(1)
          .max(256),
      }),
    )
    .max(256),
  provenance: z.strictObject({ runtime: name, node: name, seconds: real.min(0) }),
});

/** The factors that decide when sinks emerge, with all runs: `sinklab.emergence/1`. */
export type EmergenceReport = z.infer<typeof emergenceSchema>;
export type EmergenceRow = EmergenceReport['factors'][number]['rows'][number];
