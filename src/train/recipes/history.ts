import * as z from 'zod';
import { LoadError } from '../../error.ts';

const step = z.int().positive();
const real = z.number();
const layers = z.array(real).max(1024);

const historySchema = z.strictObject({
  /** Seconds of training, earlier stretches included. */
  seconds: real.min(0),
  points: z.array(
    z.strictObject({ step, loss: real, gradientNorm: real, learningRate: real, tokensPerSecond: real.nullable() }),
  ),
  watched: z.array(
    z.strictObject({ step, sinkRate: real, sinkRateByLayer: layers, alpha: layers, largestRatio: layers }),
  ),
  validation: z.array(z.strictObject({ step, loss: real, perplexity: real, tokens: step })),
});

type Written<T> = { -readonly [K in keyof T]: T[K] };

/** What a run has shown so far; kept in every checkpoint. */
export type History = Written<z.infer<typeof historySchema>>;

export const emptyHistory = (): History => ({ seconds: 0, points: [], watched: [], validation: [] });

/** The history in a checkpoint's notes. @throws LoadError naming the first field that is wrong. */
export function parseHistory(notes: unknown, place: string): History {
  const { data, error } = historySchema.safeParse(notes);
  if (error === undefined) return data;
  const issue = error.issues[0]!;
  throw new LoadError(`${place}: notes.${issue.path.join('.')}: ${issue.message}; train again in another folder`);
}
