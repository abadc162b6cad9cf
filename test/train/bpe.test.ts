import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { BYTE_OF } from '../../src/load/token-text.ts';
import { createTokenizer } from '../../src/load/tokenizer.ts';
import { type BpeOptions, trainBpe } from '../../src/train/bpe.ts';
import { pieceEncoder } from '../../src/train/bpe-encode.ts';
import { learnMerges } from '../../src/train/bpe-merges.ts';
import { forEachPiece, patternOf, piecePatterns, preTokenizer } from '../../src/train/bpe-pieces.ts';
import { fixtures } from '../fixtures.ts';
import { naiveMerges } from './naive/bpe.ts';

const shared = fixtures();
const strings: string[] =
  shared === undefined ? [] : JSON.parse(readFileSync(join(shared, 'tokenizers/strings.json'), 'utf8'));
const python = process.env.SINKLAB_PYTHON ?? 'python3';
const hasPython = (() => {
  const find =
    'from importlib.util import find_spec as f; import sys; sys.exit(not (f("tokenizers") and f("transformers")))';
  return spawnSync(python, ['-c', find]).status === 0;
})();

/** Prose with repeats, digits, several scripts and runs of spaces. */
const prose = [
  "The cat sat on the mat, and the cat's hat sat on the rat. It wasn't 1999 or 2026; it was 12:30!\n\n",
  'aaaa aaa aa a aaaaaaa banana bananas  ananas   nanananana\n\t\tthe the the then there their theirs\n',
  'Été à l’île, naïve café — déjà vu… Ελληνικά και ελληνικά. 日本語日本語 😀😀😀\r\n\r\n',
  'hahahaha haha ha; low lower lowest newer newest wider widest; !!! !!!! ...... -----',
];

/** Python reads no lone surrogates. */
const isWellFormed = (text: string) => !/\p{Surrogate}/u.test(text);

const piecesOf = (texts: readonly string[]) => {
  const counts = new Map<string, number>();
  for (const text of texts) forEachPiece(text, 'smollm', (piece) => counts.set(piece, (counts.get(piece) ?? 0) + 1));
  return counts;
};
const alphabet = [...BYTE_OF].sort(([a], [b]) => (a < b ? -1 : 1));
const start = alphabet.map(([stored]) => stored);
const byteIds: number[] = [];
for (const [id, [, byte]] of alphabet.entries()) byteIds[byte] = id;

describe('merges', () => {
  it.each([1, 2, 5])('with minimum frequency %i they equal those of counting everything again before each', (least) => {
    const pieces = piecesOf(prose);
    const options = { tokens: start, byteIds, vocabularySize: 500, minimumFrequency: least };
    const learned = learnMerges(pieces, options);
    expect(learned.merges.length).toBeGreaterThan(9);
    expect(learned).toEqual(naiveMerges(pieces, start, byteIds, 500, least));
  });

  it('equal the recount on random texts of few letters, where pairs overlap, tie and spell the same token', () => {
    const letters = fc.string({ unit: fc.constantFrom('a', 'b', 'c'), minLength: 1, maxLength: 12 });
    fc.assert(
      fc.property(fc.dictionary(letters, fc.integer({ min: 1, max: 4 }), { minKeys: 1, maxKeys: 12 }), (counts) => {
        const pieces = new Map(Object.entries(counts));
        const options = { tokens: start, byteIds, vocabularySize: 290, minimumFrequency: 1 };
        expect(learnMerges(pieces, options)).toEqual(naiveMerges(pieces, start, byteIds, 290, 1));
      }),
      { numRuns: 150, seed: 7 },
    );
  });

  it('go by count, then by the smaller left id, then by the smaller right id', async () => {
    const merges = async (text: string) =>
      (await trainBpe([text], { vocabularySize: 260, pattern: 'gpt-2' })).tokenizer.model.merges.slice(0, 2);
    expect(await merges('xy\nxy\nab\nab')).toEqual([
      ['a', 'b'],
      ['x', 'y'],
    ]);
    expect(await merges('xy\nxy\nxy\nab\nab')).toEqual([
      ['x', 'y'],
      ['a', 'b'],
    ]);
  });
});

describe('the trained tokenizer', () => {
  it('numbers special tokens, then bytes, then merges, and has the size asked for', async () => {
    const { tokenizer, config, vocabularySize } = await trainBpe(prose, { vocabularySize: 300 });
    const { vocab, merges } = tokenizer.model;
    expect(vocabularySize).toBe(300);
    expect(vocab['<|bos|>']).toBe(0);
    expect(vocab['<|eos|>']).toBe(1);
    expect(vocab['!']).toBe(2);
    expect(vocab[merges[0]!.join('')]).toBe(258);
    expect(Object.values(vocab).sort((a, b) => a - b)).toEqual(Array.from({ length: 300 }, (_, id) => id));
    expect(config).toMatchObject({ bos_token: '<|bos|>', eos_token: '<|eos|>' });
  });

  it('gives every text back and puts BOS first, read by the loader', async () => {
    const trained = await trainBpe(prose, { vocabularySize: 320 });
    const tokenizer = createTokenizer(JSON.parse(JSON.stringify(trained)));
    expect(tokenizer).toMatchObject({ vocabularySize: 320, bosId: 0, eosId: 1, addsBos: true });
    for (const text of [...prose, ...strings.filter(isWellFormed), '\u0000\u0007\ufeff']) {
      expect(tokenizer.decode(tokenizer.encode(text, { specialTokens: false }))).toBe(text);
    }
    expect(tokenizer.encode('the then').length).toBeLessThan(4);
    expect(tokenizer.encode('a<|eos|>')).toEqual([tokenizer.encode('a')[0], 1]);
  });

  it('is the same for the same texts, in one list or one by one, and whatever was trained before', async () => {
    async function* slowly() {
      yield* prose;
    }
    const first = await trainBpe(prose, { vocabularySize: 350 });
    expect(await trainBpe(slowly(), { vocabularySize: 350 })).toEqual(first);
  });

  it('stops early when no pair is frequent enough, and says how many tokens there are', async () => {
    expect((await trainBpe(['ab ab'], { vocabularySize: 1_000 })).vocabularySize).toBe(259);
    expect((await trainBpe(['a'], { specialTokens: [] })).vocabularySize).toBe(256);
  });

  it('counts what it leaves out', async () => {
    const trained = await trainBpe(['x'.repeat(1_025), 'a b c d e f g a'], { maximumPieces: 4 });
    expect(trained).toMatchObject({ longPieces: 1, droppedPieces: 5, pieces: 3 });
  });

  it('refuses options outside their range in plain words', async () => {
    const message = (options: BpeOptions, texts = ['a']) => trainBpe(texts, options).then(String, (e) => e.message);
    expect(await message({ vocabularySize: 200 })).toBe(
      'trainBpe, vocabularySize: expected an integer from 258 (256 bytes and 2 special tokens) to 65536, got 200',
    );
    expect(await message({ specialTokens: ['<s>', '<s>'] })).toContain('expected different texts of 2 to 256');
    expect(await message({ pattern: 'klingon' as 'gpt-2' })).toBe(
      'trainBpe, pattern: expected gpt-2 or smollm, got "klingon"',
    );
    expect(await message({ minimumFrequency: 0 })).toBe(
      'trainBpe, minimumFrequency: expected an integer of at least 1, got 0',
    );
    expect(await message({}, [''])).toBe('trainBpe, texts: no text came; give at least one that is not empty');
  });
});

describe('pieces', () => {
  it.each(piecePatterns)(
    'cut by %s they are the text again, and encoded one by one they give its ids',
    async (pattern) => {
      const trained = await trainBpe(prose, { vocabularySize: 400, pattern });
      const tokenizer = createTokenizer(trained);
      const merge = pieceEncoder(trained.tokenizer)!;
      for (const text of [...prose, ...strings, 'a  5', '  5 5  \n 5x', "''s's 's5", '½ Ⅷ ٣٤', 'a \u0085\ufeff b']) {
        const pieces: string[] = [];
        forEachPiece(text, pattern, (piece) => pieces.push(piece));
        expect(pieces.join('')).toBe(text);
        const encode = (part: string) => tokenizer.encode(part, { specialTokens: false });
        expect(pieces.flatMap(encode)).toEqual(encode(text));
        expect(pieces.flatMap(merge)).toEqual(encode(text));
      }
    },
  );

  it('are only used where the files ask for nothing else', async () => {
    const { tokenizer, config } = await trainBpe(prose, { vocabularySize: 300 });
    expect(patternOf(tokenizer, config)).toBe('smollm');
    expect(patternOf({ ...tokenizer, pre_tokenizer: preTokenizer('gpt-2') }, config)).toBe('gpt-2');
    expect(patternOf({ ...tokenizer, normalizer: { type: 'NFC' } }, config)).toBeUndefined();
    expect(patternOf({ ...tokenizer, added_tokens: [{ content: 'ab', special: false }] }, config)).toBeUndefined();
    expect(
      patternOf({ ...tokenizer, pre_tokenizer: { type: 'ByteLevel', add_prefix_space: true } }, {}),
    ).toBeUndefined();
    expect(patternOf(tokenizer, { ...config, remove_space: true })).toBeUndefined();
    const withModel = (change: object) => pieceEncoder({ model: { ...tokenizer.model, ...change } });
    expect(withModel({})?.('a')).toEqual([tokenizer.model.vocab.a]);
    expect(withModel({ ignore_merges: true })).toBeUndefined();
    expect(withModel({ end_of_word_suffix: '</w>' })).toBeUndefined();
    expect(withModel({ vocab: { a: 0 } })).toBeUndefined();
  });
});

const program = `
import json, sys
from tokenizers import Tokenizer, Regex, models, trainers, pre_tokenizers
from transformers import AutoTokenizer
folder = sys.argv[1]
texts = json.load(open(folder + '/texts.json')); strings = json.load(open(folder + '/strings.json'))
t = Tokenizer(models.BPE())
t.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(r'\\p{N}'), 'isolated'), pre_tokenizers.ByteLevel(add_prefix_space=False)])
t.train_from_iterator(texts, trainers.BpeTrainer(vocab_size=600, min_frequency=2, special_tokens=['<|bos|>', '<|eos|>'],
  initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False))
ours = Tokenizer.from_file(folder + '/tokenizer.json'); auto = AutoTokenizer.from_pretrained(folder)
encode = lambda s: [ours.encode(s, add_special_tokens=False).ids, ours.encode(s).ids, auto(s)['input_ids'], ours.decode(ours.encode(s).ids)]
print(json.dumps({'model': json.loads(t.to_str())['model'], 'ids': [encode(s) for s in strings], 'bos': [auto.bos_token_id, auto.eos_token_id]}))
`;

it.skipIf(!hasPython || shared === undefined)(
  'Python trains the same merges, and its tokenizers and transformers give the same ids (needs both packages, SINKLAB_PYTHON, and the shared fixtures)',
  async () => {
    const texts = [...prose, ...strings.filter(isWellFormed)];
    const trained = await trainBpe(texts, { vocabularySize: 600 });
    const tokenizer = createTokenizer(trained);
    const folder = mkdtempSync(join(tmpdir(), 'sinklab-bpe-'));
    try {
      writeFileSync(join(folder, 'tokenizer.json'), JSON.stringify(trained.tokenizer));
      writeFileSync(join(folder, 'tokenizer_config.json'), JSON.stringify(trained.config));
      writeFileSync(join(folder, 'texts.json'), JSON.stringify(texts));
      writeFileSync(join(folder, 'strings.json'), JSON.stringify(strings));
      const found = JSON.parse(execFileSync(python, ['-c', program, folder], { encoding: 'utf8' }));
      expect(trained.tokenizer.model.vocab).toEqual(found.model.vocab);
      expect(trained.tokenizer.model.merges).toEqual(found.model.merges);
      expect(found.bos).toEqual([0, 1]);
      for (const [index, text] of strings.entries()) {
        const ids = tokenizer.encode(text);
        expect([text, found.ids[index].slice(0, 3)]).toEqual([text, [ids, [0, ...ids], [0, ...ids]]]);
      }
    } finally {
      rmSync(folder, { recursive: true });
    }
  },
  60_000,
);
