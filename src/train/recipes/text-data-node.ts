import { createHash } from 'node:crypto';
import { mkdir, readFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { InputError } from '../../error.ts';
import { openFile } from '../../load/bytes-node.ts';
import { DEFAULT_TEXT, DEFAULT_TEXT_SOURCE } from '../../load/default-text.ts';
import { trainBpe } from '../bpe.ts';
import { encodeCorpus } from '../data-corpus-node.ts';
import { readDocuments } from '../data-documents-node.ts';
import { cleanText } from '../data-encode.ts';
import type { PackedDataset } from '../data-packed.ts';
import { openPackedDataset, openTokens } from '../data-packed-node.ts';
import { writeText } from '../folder-node.ts';

/** The 256 bytes, BOS and EOS: a BPE of so many tokens has no merges. */
const BYTES = 258;

export interface TextDataOptions {
  /** Where the tokenizer and the encoded text are kept, and found again when text and vocabulary are the same. */
  readonly folder: string;
  /** Text files, plain or gzip; default the text that ships, nine tenths to train on and the rest to validate. */
  readonly corpus?: string;
  readonly validation?: string;
  readonly vocabulary: number;
  /** T. */
  readonly context: number;
  readonly seed: number;
  readonly progress?: (what: string, share?: number) => void;
  readonly signal?: AbortSignal;
}

export interface DataSource {
  readonly role: 'training text' | 'validation text' | 'tokenizer';
  readonly name: string;
  /** Of the file as it lies there. */
  readonly sha256: string;
  /** Of text: as the tokenizer counts. */
  readonly tokens?: number;
}

export interface TextData extends AsyncDisposable {
  readonly train: PackedDataset;
  readonly validation: PackedDataset | undefined;
  readonly sources: readonly DataSource[];
  readonly V: number;
  readonly bosId: number;
  readonly eosId: number;
  /** `tokenizer.json` and `tokenizer_config.json`, for the model's folder. */
  readonly tokenizerFiles: Readonly<Record<string, string>>;
}

/**
 * A text as training sequences, BOS first in each: trains a byte-level BPE on it and encodes it, or takes both from `folder`.
 * Throws a LoadError for a text that is missing or damaged, an InputError for one that is too short, or when `signal` ends the work.
 */
export async function prepareText(options: TextDataOptions): Promise<TextData> {
  const { folder, vocabulary, context, seed, progress = () => {}, signal } = options;
  await mkdir(folder, { recursive: true });
  const { corpus, validation, names } = await texts(options);
  const made = await readKeys(folder);
  const tokenizer = join(folder, 'tokenizer');
  const corpusHash = await hashOf(corpus);
  const stopped = () => {
    if (signal?.aborted) throw new InputError('train: stopped while the text was prepared; nothing was trained');
  };

  /** Does a part of the work unless it was done for the same input before. */
  const once = async (part: string, key: string, work: () => Promise<void>) => {
    if (made.get(part) === key) return;
    made.delete(part);
    stopped();
    await work();
    made.set(part, key);
    await writeText(join(folder, 'made-of.json'), `${JSON.stringify(Object.fromEntries(made), null, 2)}\n`);
  };
  await once('tokenizer', `${corpusHash} ${vocabulary}`, async () => {
    let share = 0;
    async function* documents() {
      for await (const text of readDocuments(corpus, { onRead: (read, size) => (share = read / size) })) {
        stopped();
        progress('training the tokenizer', share);
        yield cleanText(text);
      }
    }
    const bpe = await trainBpe(documents(), { vocabularySize: vocabulary });
    await mkdir(tokenizer, { recursive: true });
    await writeText(join(tokenizer, 'tokenizer.json'), `${JSON.stringify(bpe.tokenizer)}\n`);
    await writeText(join(tokenizer, 'tokenizer_config.json'), `${JSON.stringify(bpe.config, null, 2)}\n`);
  });
  const files = ['tokenizer.json', 'tokenizer_config.json'] as const;
  const contents = await Promise.all(files.map((file) => readFile(join(tokenizer, file), 'utf8')));
  const tokenizerHash = createHash('sha256').update(contents[0]!).digest('hex');
  const encode = async (part: string, path: string) => {
    const sha256 = await hashOf(path);
    const output = join(folder, `${part}.tokens`);
    await once(part, `${sha256} ${tokenizerHash}`, async () => {
      const onProgress = ({ read, size }: { read: number; size: number }) =>
        progress(`encoding the ${part} text`, read / size);
      await encodeCorpus(path, output, { tokenizer, onProgress, ...(signal ? { signal } : {}) });
    });
    return { output, sha256 };
  };
  const trained = await encode('training', corpus);
  const validated = validation === undefined ? undefined : await encode('validation', validation);

  const train = await openPackedDataset(trained.output, { sequenceLength: context, seed });
  const held = validated && (await openPackedDataset(validated.output, { sequenceLength: context, shuffle: false }));
  const { header } = train;
  const sources: DataSource[] = [
    { role: 'training text', name: names.corpus, sha256: trained.sha256, tokens: header.tokens },
    ...(held
      ? [
          {
            role: 'validation text',
            name: names.validation,
            sha256: validated!.sha256,
            tokens: held.header.tokens,
          } as const,
        ]
      : []),
    {
      role: 'tokenizer',
      name: `${vocabulary === BYTES ? 'bytes' : 'byte-level BPE'}, ${header.tokenizer.vocabularySize} tokens`,
      sha256: tokenizerHash,
    },
  ];
  return {
    ...{ train, validation: held, sources, V: header.tokenizer.vocabularySize },
    ...{ bosId: header.bosId!, eosId: header.eosId! },
    tokenizerFiles: Object.fromEntries(files.map((file, i) => [file, contents[i]!])),
    async [Symbol.asyncDispose]() {
      await train.close();
      await held?.close();
    },
  };
}

/** Paths of the texts; the one that ships is written out first. */
async function texts({ folder, corpus, validation }: TextDataOptions) {
  if (corpus !== undefined)
    return { corpus, validation, names: { corpus: basename(corpus), validation: basename(validation ?? '') } };
  const cut = DEFAULT_TEXT.indexOf('\n\n', Math.floor(0.9 * DEFAULT_TEXT.length));
  const parts = { corpus: join(folder, 'training.txt'), validation: validation ?? join(folder, 'validation.txt') };
  await writeText(parts.corpus, DEFAULT_TEXT.slice(0, cut));
  if (validation === undefined) await writeText(parts.validation, DEFAULT_TEXT.slice(cut));
  return {
    ...parts,
    names: {
      corpus: `${DEFAULT_TEXT_SOURCE}, the first nine tenths`,
      validation: validation === undefined ? `${DEFAULT_TEXT_SOURCE}, the rest` : basename(validation),
    },
  };
}

/** What lies in the folder, by the hashes it was made of; anything unreadable is made again. */
async function readKeys(folder: string): Promise<Map<string, string>> {
  const keys = new Map<string, string>();
  try {
    const json: unknown = JSON.parse(await readFile(join(folder, 'made-of.json'), 'utf8'));
    for (const [part, key] of Object.entries(json as object)) if (typeof key === 'string') keys.set(part, key);
    for (const part of ['training', 'validation'])
      if (keys.has(part)) {
        const tokens = await openTokens(join(folder, `${part}.tokens`)).catch(() => undefined);
        if (tokens === undefined) keys.delete(part);
        await tokens?.close();
      }
    await readFile(join(folder, 'tokenizer', 'tokenizer_config.json'));
  } catch {
    keys.clear();
  }
  return keys;
}

async function hashOf(path: string): Promise<string> {
  const file = await openFile(path);
  try {
    return await file.sha256();
  } finally {
    await file.close?.();
  }
}
