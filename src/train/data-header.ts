import * as z from 'zod';
import { LoadError } from '../error.ts';

const count = z.int().nonnegative();
const hash = z.string().regex(/^[0-9a-f]{64}$/);

const headerSchema = z.strictObject({
  format: z.literal('sinklab-tokens'),
  version: z.literal(1),
  /** Tokens in the file, little-endian, nothing else. */
  tokens: count,
  type: z.enum(['uint16', 'uint32']),
  /** UTF-8 bytes of the text the tokens stand for, ends of documents not counted. */
  bytes: count,
  sha256: hash,
  tokenizer: z.strictObject({ sha256: hash, vocabularySize: z.int().positive() }),
  bosId: count.optional(),
  /** Stands after every document, if there is one. */
  eosId: count.optional(),
  source: z.string(),
  /** Whether line ends and blanks were put in order (`cleanText`). */
  cleaned: z.boolean(),
  /** Index of each document's first token. */
  documentStarts: z.array(count),
  /** UTF-8 bytes of each document. */
  documentBytes: z.array(count),
});

/** What stands beside a file of tokens, as JSON. */
export type CorpusHeader = Readonly<z.infer<typeof headerSchema>>;

/** @throws LoadError naming the first field that is wrong. */
export function parseHeader(text: string, name: string): CorpusHeader {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    throw new LoadError(`${name}: not JSON; encode the corpus again`);
  }
  const { data, error } = headerSchema.safeParse(json);
  if (error !== undefined) {
    const issue = error.issues[0]!;
    throw new LoadError(`${name}: "${issue.path.join('.')}": ${issue.message}; encode the corpus again`);
  }
  const { documentStarts: starts, documentBytes, tokens, tokenizer } = data;
  const rising = starts.every((start, i) => start <= tokens && (i === 0 ? start === 0 : start >= starts[i - 1]!));
  if (!rising || starts.length !== documentBytes.length)
    throw new LoadError(`${name}: "documentStarts" must rise from 0 within ${tokens} tokens; encode the corpus again`);
  for (const key of ['bosId', 'eosId'] as const) {
    if ((data[key] ?? 0) >= tokenizer.vocabularySize)
      throw new LoadError(
        `${name}: "${key}" ${data[key]} is outside the vocabulary of ${tokenizer.vocabularySize}; encode the corpus again`,
      );
  }
  return data;
}
