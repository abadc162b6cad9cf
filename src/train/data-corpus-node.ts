import { createHash } from 'node:crypto';
import { readFile, rm } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { InputError, LoadError } from '../error.ts';
import { writeFileAtomically } from '../load/bytes-node.ts';
import { type DocumentOptions, readDocuments } from './data-documents-node.ts';
import { cleanText, corpusEncoder } from './data-encode.ts';
import { type CorpusHeader, parseHeader } from './data-header.ts';

export interface EncodeOptions extends Pick<DocumentOptions, 'separator'> {
  /** Folder with `tokenizer.json`, and `tokenizer_config.json` where there is one. */
  readonly tokenizer: string;
  /** Put line ends and blanks in order first (`cleanText`); default true. */
  readonly clean?: boolean;
  /** Called about once a megabyte. */
  readonly onProgress?: (progress: EncodeProgress) => void;
  /** Ends the work between two documents; nothing is left behind. */
  readonly signal?: AbortSignal;
}

export interface EncodeProgress {
  /** Bytes of the file read so far (compressed ones for gzip). */
  readonly read: number;
  readonly size: number;
  readonly documents: number;
  readonly tokens: number;
}

const TOKENS_A_WRITE = 1 << 20;

/**
 * Encodes a text file (plain or gzip) into `output`, tokens as uint16 (uint32 for more than 65,536 ids), and describes it in `output.json`.
 * Empty documents are left out; EOS stands after every other one, where the tokenizer names an EOS.
 *
 * One document is held at a time. Both files appear when they are complete, the description last: whoever finds it finds all tokens.
 * @throws LoadError when the text or the tokenizer is missing, damaged or empty; InputError when `signal` ended the work.
 */
export async function encodeCorpus(source: string, output: string, options: EncodeOptions): Promise<CorpusHeader> {
  const { clean = true, onProgress, signal, separator } = options;
  const { encoder, sha256: tokenizerHash } = await openTokenizer(options.tokenizer);
  const { vocabularySize, bosId, eosId } = encoder.tokenizer;
  const type = vocabularySize > 65_536 ? 'uint32' : 'uint16';
  const make = (length: number) => (type === 'uint32' ? new Uint32Array(length) : new Uint16Array(length));

  const hash = createHash('sha256');
  const documentStarts: number[] = [];
  const documentBytes: number[] = [];
  let tokens = 0;
  let bytes = 0;
  const documents = readDocuments(source, {
    ...(separator !== undefined && { separator }),
    onRead: (read, size) => onProgress?.({ read, size, documents: documentStarts.length, tokens }),
  });
  async function* chunks(): AsyncGenerator<Uint8Array> {
    for await (const raw of documents) {
      if (signal?.aborted) throw new InputError('encodeCorpus: stopped before its end; nothing was written');
      const text = clean ? cleanText(raw) : raw;
      if (text === '') continue;
      const ids = encoder.encode(text);
      const length = Buffer.byteLength(text);
      documentStarts.push(tokens);
      documentBytes.push(length);
      bytes += length;
      for (let start = 0; start < ids.length; start += TOKENS_A_WRITE) {
        const part = make(Math.min(TOKENS_A_WRITE, ids.length - start));
        for (let i = 0; i < part.length; i++) part[i] = ids[start + i]!;
        yield littleEndian(part);
      }
      if (eosId !== undefined) yield littleEndian(make(1).fill(eosId));
      tokens += ids.length + (eosId === undefined ? 0 : 1);
    }
    if (tokens === 0) throw new LoadError(`${source}: has no text`);
  }
  async function* hashed(): AsyncGenerator<Uint8Array> {
    for await (const chunk of chunks()) {
      hash.update(chunk);
      yield chunk;
    }
    // Right before the new tokens take their place: an old description must not stand beside them.
    await rm(`${output}.json`, { force: true });
  }
  await writeFileAtomically(output, hashed());
  const header: CorpusHeader = {
    format: 'sinklab-tokens',
    version: 1,
    tokens,
    type,
    bytes,
    sha256: hash.digest('hex'),
    tokenizer: { sha256: tokenizerHash, vocabularySize },
    ...(bosId !== undefined && { bosId }),
    ...(eosId !== undefined && { eosId }),
    source: basename(source),
    cleaned: clean,
    documentStarts,
    documentBytes,
  };
  async function* description() {
    yield new TextEncoder().encode(`${JSON.stringify(header)}\n`);
  }
  await writeFileAtomically(`${output}.json`, description());
  return header;
}

/** The description of encoded tokens. @throws LoadError when it is missing or malformed. */
export async function readCorpusHeader(path: string): Promise<CorpusHeader> {
  const name = `${path}.json`;
  let text: string;
  try {
    text = await readFile(name, 'utf8');
  } catch (error) {
    throw new LoadError(
      `${name}: cannot be read (${(error as NodeJS.ErrnoException).code ?? String(error)}); the corpus was not encoded to its end, encode it again`,
    );
  }
  return parseHeader(text, basename(name));
}

async function openTokenizer(folder: string) {
  const name = join(folder, 'tokenizer.json');
  const text = await readFile(name).catch((error: NodeJS.ErrnoException) => {
    throw new LoadError(
      `${name}: cannot be read (${error.code ?? String(error)}); train a tokenizer or name its folder`,
    );
  });
  const config = await readFile(join(folder, 'tokenizer_config.json'), 'utf8').catch(() => undefined);
  const parse = (json: string, file: string): unknown => {
    try {
      return JSON.parse(json);
    } catch {
      throw new LoadError(`${join(folder, file)}: not JSON; use another copy`);
    }
  };
  const encoder = corpusEncoder({
    tokenizer: parse(text.toString('utf8'), 'tokenizer.json'),
    ...(config !== undefined && { config: parse(config, 'tokenizer_config.json') }),
    name,
  });
  return { encoder, sha256: createHash('sha256').update(text).digest('hex') };
}

function littleEndian(ids: Uint16Array | Uint32Array): Uint8Array {
  if (new Uint8Array(Uint16Array.of(1).buffer)[0] !== 1)
    throw new InputError('encodeCorpus: this machine stores numbers big-endian, which is not supported');
  return new Uint8Array(ids.buffer, ids.byteOffset, ids.byteLength);
}
