import { createHash } from 'node:crypto';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, describe, expect, it } from 'vitest';
import { createTokenizer } from '../../src/load/tokenizer.ts';
import { trainBpe } from '../../src/train/bpe.ts';
import { encodeCorpus, readCorpusHeader } from '../../src/train/data-corpus-node.ts';
import { readDocuments } from '../../src/train/data-documents-node.ts';
import { cleanText, corpusEncoder, splitDocuments } from '../../src/train/data-encode.ts';
import { openTokens } from '../../src/train/data-packed-node.ts';
import { bundled, fixtures } from '../fixtures.ts';

const folder = mkdtempSync(join(tmpdir(), 'sinklab-corpus-'));
afterAll(() => rmSync(folder, { recursive: true }));
const at = (name: string) => join(folder, name);

const documents = ['One book,\r\n\r\nwith two parts. \r\n', '\n\nAnother one — naïve, 1999.\n\n', '   \n', 'The last'];
const text = documents.join('\n<|endoftext|>\n');
writeFileSync(at('books.txt'), text);
writeFileSync(at('books.txt.gz'), gzipSync(text));
const trained = await trainBpe(documents, { vocabularySize: 262 });
writeFileSync(at('tokenizer.json'), JSON.stringify(trained.tokenizer));
writeFileSync(at('tokenizer_config.json'), JSON.stringify(trained.config));
const tokenizer = createTokenizer(trained);
const failure = (work: Promise<unknown>) => work.then(String, (error: Error) => error.message);

async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const found: T[] = [];
  for await (const item of items) found.push(item);
  return found;
}

describe('the encoder of a corpus', () => {
  const shared = fixtures();
  const strings: string[] =
    shared === undefined ? [] : JSON.parse(readFileSync(join(shared, 'tokenizers/strings.json'), 'utf8'));

  it('looks pieces up and gives the ids of the tokenizer, special tokens as text', () => {
    const encoder = corpusEncoder(trained);
    expect(encoder.cached).toBe(true);
    for (const part of [...documents, ...documents, ...strings, 'a<|eos|>b', 'x'.repeat(500), '', '  5 5\n\n\t5'])
      expect([...Array.from(encoder.encode(part))]).toEqual(tokenizer.encode(part, { specialTokens: false }));
  });

  it('leaves other kinds of tokenizers to the tokenizer', () => {
    const json = JSON.parse(readFileSync(join(bundled('tokenizers/folder'), 'tokenizer.json'), 'utf8'));
    const encoder = corpusEncoder({ tokenizer: json });
    expect(encoder.cached).toBe(false);
    const plain = createTokenizer({ tokenizer: json });
    expect(encoder.encode(documents[1]!)).toEqual(plain.encode(documents[1]!, { specialTokens: false }));
  });
});

describe('documents', () => {
  it('are what stands between lines <|endoftext|>, from plain text and gzip alike', async () => {
    expect(await collect(readDocuments(at('books.txt')))).toEqual(documents);
    expect(await collect(readDocuments(at('books.txt.gz')))).toEqual(documents);
    expect(await collect(readDocuments(at('books.txt'), { separator: 'no such line' }))).toEqual([text]);
  });

  it('are found wherever the text is cut into chunks', async () => {
    for (let size = 1; size <= 5; size++) {
      async function* chunks() {
        for (let i = 0; i < 'aa--b-c---d'.length; i += size) yield 'aa--b-c---d'.slice(i, i + size);
      }
      expect(await collect(splitDocuments(chunks(), '--', 'x'))).toEqual(['aa', 'b-c', '-d']);
    }
  });

  it('that are too long, damaged or not UTF-8 are refused by name', async () => {
    async function* endless() {
      for (;;) yield 'aaaaaaaaaa';
    }
    expect(await failure(collect(splitDocuments(endless(), '--', 'x.txt', 100)))).toBe(
      'x.txt: a document has more than 100 characters; put "--" between documents',
    );
    writeFileSync(at('cut.gz'), readFileSync(at('books.txt.gz')).subarray(0, 60));
    expect(await failure(collect(readDocuments(at('cut.gz'))))).toBe(
      'cut.gz: damaged gzip (Z_BUF_ERROR); the download may be incomplete',
    );
    writeFileSync(at('latin.txt'), Buffer.from('caf\xe9 au lait', 'latin1'));
    expect(await failure(collect(readDocuments(at('latin.txt'))))).toBe(
      'latin.txt: not UTF-8; convert it, for example with iconv',
    );
    writeFileSync(at('half.txt'), Buffer.from('caf\xc3', 'latin1'));
    expect(await failure(collect(readDocuments(at('half.txt'))))).toContain('half.txt: not UTF-8');
    expect(await failure(collect(readDocuments(at('none.txt'))))).toBe(`${at('none.txt')}: no such file`);
    expect(await failure(collect(readDocuments(folder)))).toContain('expected a text file');
  });

  it('are cleaned of line ends, trailing blanks and blank lines around them, nothing else', () => {
    expect(cleanText('\ufeff\r\n\r\n  A \t\r\n\r\n\r\nb  c\rd\n\n')).toBe('  A\n\n\nb  c\nd');
  });
});

describe('an encoded corpus', () => {
  it('holds the tokens of every document that is not empty, EOS after each, and tells where they start', async () => {
    const header = await encodeCorpus(at('books.txt.gz'), at('books.tokens'), { tokenizer: folder });
    const clean = documents.map(cleanText).filter((part) => part !== '');
    const ids = clean.map((part) => [...tokenizer.encode(part, { specialTokens: false }), 1]);
    const file = await openTokens(at('books.tokens'), { verify: true });
    expect([...(await file.readAll())]).toEqual(ids.flat());
    expect([...(await file.read(3, 4))]).toEqual(ids.flat().slice(3, 7));
    await file.close();
    expect(await readCorpusHeader(at('books.tokens'))).toEqual(header);
    expect(header).toEqual({
      format: 'sinklab-tokens',
      version: 1,
      tokens: ids.flat().length,
      type: 'uint16',
      bytes: Buffer.byteLength(clean.join('')),
      sha256: createHash('sha256')
        .update(readFileSync(at('books.tokens')))
        .digest('hex'),
      tokenizer: {
        sha256: createHash('sha256')
          .update(readFileSync(at('tokenizer.json')))
          .digest('hex'),
        vocabularySize: 262,
      },
      bosId: 0,
      eosId: 1,
      source: 'books.txt.gz',
      cleaned: true,
      documentStarts: [0, ids[0]!.length, ids[0]!.length + ids[1]!.length],
      documentBytes: clean.map((part) => Buffer.byteLength(part)),
    });
  });

  it('decodes to the text as it stood when it is not cleaned', async () => {
    await encodeCorpus(at('books.txt'), at('raw.tokens'), { tokenizer: folder, clean: false });
    const file = await openTokens(at('raw.tokens'));
    expect(tokenizer.decode([...(await file.readAll())])).toBe(`${documents.join('<|eos|>')}<|eos|>`);
    await file.close();
  });

  it('tells its progress, and a stopped or failed run leaves neither new files nor the old ones touched', async () => {
    const seen: number[] = [];
    await encodeCorpus(at('books.txt'), at('kept.tokens'), {
      tokenizer: folder,
      onProgress: ({ read, size }) => seen.push(read / size),
    });
    expect(seen.at(-1)).toBe(1);
    const before = readdirSync(folder).sort();
    const tokens = readFileSync(at('kept.tokens'));
    const signal = AbortSignal.abort();
    expect(await failure(encodeCorpus(at('books.txt'), at('kept.tokens'), { tokenizer: folder, signal }))).toContain(
      'encodeCorpus: stopped before its end; nothing was written',
    );
    expect(await failure(encodeCorpus(at('cut.gz'), at('kept.tokens'), { tokenizer: folder }))).toContain(
      'damaged gzip',
    );
    writeFileSync(at('empty.txt'), ' \n');
    expect(await failure(encodeCorpus(at('empty.txt'), at('new.tokens'), { tokenizer: folder }))).toContain(
      'has no text',
    );
    rmSync(at('empty.txt'));
    expect(readdirSync(folder).sort()).toEqual(before);
    expect(readFileSync(at('kept.tokens'))).toEqual(tokens);
  });

  it('is refused when its description is missing, malformed or of other tokens', async () => {
    await encodeCorpus(at('books.txt'), at('odd.tokens'), { tokenizer: folder });
    const good = readFileSync(at('odd.tokens.json'), 'utf8');
    const tokens = readFileSync(at('odd.tokens'));
    const withHeader = (json: string) => {
      writeFileSync(at('odd.tokens.json'), json);
      return failure(openTokens(at('odd.tokens')));
    };
    expect(await withHeader('{')).toBe('odd.tokens.json: not JSON; encode the corpus again');
    expect(await withHeader(good.replace('"tokens":', '"tokens":1,"x":'))).toContain('encode the corpus again');
    expect(await withHeader(good.replace('"bosId":0', '"bosId":262'))).toBe(
      'odd.tokens.json: "bosId" 262 is outside the vocabulary of 262; encode the corpus again',
    );
    expect(await withHeader(good.replace('"documentStarts":[0', '"documentStarts":[2'))).toContain('must rise from 0');
    writeFileSync(at('odd.tokens.json'), good);
    writeFileSync(at('odd.tokens'), tokens.subarray(2));
    expect(await failure(openTokens(at('odd.tokens')))).toBe(
      `odd.tokens: has ${tokens.length - 2} bytes, its description tells of ${tokens.length}; encode the corpus again`,
    );
    tokens[0]! ^= 1;
    writeFileSync(at('odd.tokens'), tokens);
    expect(await failure(openTokens(at('odd.tokens'), { verify: true }))).toContain('(SHA-256)');
    rmSync(at('odd.tokens.json'));
    expect(await failure(openTokens(at('odd.tokens')))).toContain('odd.tokens.json: cannot be read (ENOENT)');
    expect(existsSync(at('odd.tokens'))).toBe(true);
  });

  it('needs a tokenizer, and says so', async () => {
    expect(await failure(encodeCorpus(at('books.txt'), at('x'), { tokenizer: at('nowhere') }))).toContain(
      'tokenizer.json: cannot be read (ENOENT); train a tokenizer or name its folder',
    );
  });
});
