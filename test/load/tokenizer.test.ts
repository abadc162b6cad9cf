import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gguf } from '@huggingface/gguf';
import { describe, expect, it } from 'vitest';
import type { GgufTokenizerMetadata } from '../../src/load/gguf/tokenizer-metadata.ts';
import { createTokenizer, type Tokenizer, withBos } from '../../src/load/tokenizer.ts';
import { tokenizerFromGguf } from '../../src/load/tokenizer-gguf.ts';
import { loadTokenizer } from '../../src/load/tokenizer-node.ts';
import { bundled, fixtures } from '../fixtures.ts';

const json = (path: string) => JSON.parse(readFileSync(path, 'utf8'));
const byteLevel = json(bundled('tokenizers/byte-level.json'));
const sentencePiece = json(bundled('tokenizers/sentencepiece.json'));
const folder = bundled('tokenizers/folder');
const models = process.env.SINKLAB_MODELS ?? '';

const bpe = (pre: string): GgufTokenizerMetadata => ({
  model: 'gpt2',
  pre,
  tokens: byteLevel.tokens,
  merges: byteLevel.merges,
  tokenTypes: byteLevel.tokenTypes,
  bosId: 1,
});

/** Strings on which a tokenizer differs from the reference. */
function differing(tokenizer: Tokenizer, strings: string[], ids: number[][]): string[] {
  return strings.filter((text, index) => JSON.stringify(tokenizer.encode(text)) !== JSON.stringify(ids[index]));
}

describe('a GGUF byte-level tokenizer', () => {
  it.each(Object.keys(byteLevel.ids))('with the pre-tokenizer %s gives the ids of the reference library', (pre) => {
    expect(differing(tokenizerFromGguf(bpe(pre)), byteLevel.strings, byteLevel.ids[pre])).toEqual([]);
  });

  const cut = json(bundled('tokenizers/pre-tokenizers.json'));
  it.each(Object.keys(cut.ids))('cuts text as the pre-tokenizer %s does in the reference library', (pre) => {
    const { tokens, merges, strings, ids } = cut;
    expect(differing(tokenizerFromGguf({ model: 'gpt2', pre, tokens, merges }), strings, ids[pre])).toEqual([]);
  });

  it('adds BOS where the file or else its pre-tokenizer says so', () => {
    expect(tokenizerFromGguf(bpe('smollm')).addsBos).toBe(false);
    expect(tokenizerFromGguf(bpe('llama-bpe')).addsBos).toBe(true);
    expect(tokenizerFromGguf({ ...bpe('llama-bpe'), addBos: false }).addsBos).toBe(false);
  });

  it('gives every text back', () => {
    const tokenizer = tokenizerFromGguf(bpe('smollm'));
    for (const text of byteLevel.strings) expect(tokenizer.decode(tokenizer.encode(text))).toBe(text);
  });

  it('reads special tokens in text only when asked to', () => {
    const tokenizer = tokenizerFromGguf(bpe('smollm'));
    expect(tokenizer.encode('<|im_start|>a')[0]).toBe(1);
    expect(tokenizer.encode('<|im_start|>a', { specialTokens: false })).not.toContain(1);
    expect(tokenizer.decode(tokenizer.encode('<|im_start|>a', { specialTokens: false }))).toBe('<|im_start|>a');
    expect([...tokenizer.specialIds]).toEqual([0, 1, 2]);
  });

  it('shows one token alone, its bytes, and U+FFFD for part of a character', () => {
    const tokenizer = tokenizerFromGguf(bpe('smollm'));
    const [first] = tokenizer.encode('\u{1d54f}');
    expect(tokenizer.token(first!)).toBe('\ufffd');
    expect([...tokenizer.tokenBytes(first!)]).toEqual([0xf0]);
    expect(tokenizer.token(tokenizer.encode(' the')[0]!)).toBe(' the');
    expect(tokenizer.token(1)).toBe('<|im_start|>');
  });

  it('refuses an unknown pre-tokenizer and an unknown model by name', () => {
    expect(() => tokenizerFromGguf(bpe('klingon'))).toThrow('pre-tokenizer "klingon" is not supported (gpt-2, olmo,');
    expect(() => tokenizerFromGguf(bpe('constructor'))).toThrow('pre-tokenizer "constructor" is not supported');
    expect(() => tokenizerFromGguf({ ...bpe('smollm'), model: 'rwkv' })).toThrow(
      'tokenizer model "rwkv" is not supported (gpt2, llama, bert are)',
    );
  });

  it('refuses ids outside the vocabulary', () => {
    expect(() => tokenizerFromGguf({ ...bpe('smollm'), bosId: 900 })).toThrow(
      'bosId 900 is outside the vocabulary of 900 tokens',
    );
    const tokenizer = tokenizerFromGguf(bpe('smollm'));
    expect(tokenizer.vocabularySize).toBe(900);
    expect(() => tokenizer.decode([3, 900])).toThrow('token id 900: the vocabulary has ids 0 to 899');
    expect(() => tokenizer.token(1.5)).toThrow('token id 1.5');
  });
});

describe('a GGUF SentencePiece tokenizer', () => {
  const { tokens, tokenTypes, scores, ids, strings, texts } = sentencePiece;
  const tokenizer = tokenizerFromGguf({ model: 'llama', tokens, tokenTypes, scores, unknownId: 0, bosId: 1, eosId: 2 });

  it('gives the ids and texts of the reference library', () => {
    expect(differing(tokenizer, strings, ids)).toEqual([]);
    expect(ids.map((list: number[]) => tokenizer.decode(list))).toEqual(texts);
  });

  it('adds BOS unless the file says otherwise, and shows bytes and spaces', () => {
    expect(tokenizer.addsBos).toBe(true);
    expect(tokenizerFromGguf({ model: 'llama', tokens, scores, bosId: 1, addBos: false }).addsBos).toBe(false);
    expect(tokenizer.token(3 + 0x41)).toBe('A');
    expect([...tokenizer.tokenBytes(3 + 0xff)]).toEqual([0xff]);
    expect(tokenizer.token(tokenizer.encode('the')[0]!)).toBe(' the');
  });
});

describe('a GGUF WordPiece tokenizer', () => {
  const words = [
    '[PAD]',
    '[UNK]',
    '[CLS]',
    '[SEP]',
    '\u2581the',
    '\u2581sink',
    's',
    'ing',
    '\u2581,',
    '\u2581caf',
    'e',
    '\u2581\u4e2d',
  ];
  const metadata = {
    model: 'bert',
    pre: 'jina-v2-en',
    tokens: words,
    tokenTypes: words.map((_, id) => (id < 4 ? 3 : 1)),
    unknownId: 1,
    clsId: 2,
    padId: 0,
  };

  it('marks parts of words, drops case and accents, and begins with [CLS]', () => {
    const tokenizer = tokenizerFromGguf(metadata);
    expect(tokenizer.encode('The SINKS,sinking \u4e2dcaf\u00e9')).toEqual([4, 5, 6, 8, 5, 7, 11, 9, 10]);
    expect(tokenizer.encode('the nowhere')).toEqual([4, 1]);
    expect(tokenizer).toMatchObject({ vocabularySize: 12, bosId: 2, padId: 0, addsBos: true });
    expect([...tokenizer.specialIds]).toEqual([0, 1, 2, 3]);
    expect(tokenizer.decode([5, 7])).toBe('sinking');
  });

  it('keeps case where the file says so, and needs an unknown token', () => {
    expect(tokenizerFromGguf({ ...metadata, lowercase: false }).encode('The sink')).toEqual([1, 5]);
    const { unknownId: _, ...without } = metadata;
    expect(tokenizerFromGguf(without).encode('x')).toEqual([1]);
    expect(() => tokenizerFromGguf({ ...without, tokens: words.map((word) => word.replace('[UNK]', '[X]')) })).toThrow(
      'a WordPiece vocabulary needs "tokenizer.ggml.unknown_token_id"',
    );
  });

  it.skipIf(!existsSync(join(models, 'all-minilm-l6-v2/vocab.txt')) || fixtures() === undefined)(
    'with the vocabulary of all-MiniLM gives the ids of the reference library (needs the shared fixtures and SINKLAB_MODELS)',
    () => {
      const vocabulary = readFileSync(join(models, 'all-minilm-l6-v2/vocab.txt'), 'utf8').trimEnd().split('\n');
      const special = (token: string) => /^\[(PAD|UNK|CLS|SEP|MASK)\]$/.test(token);
      const tokens = vocabulary.map((token) =>
        special(token) ? token : token.startsWith('##') ? token.slice(2) : `\u2581${token}`,
      );
      const tokenTypes = vocabulary.map((token) => (special(token) ? 3 : 1));
      const tokenizer = tokenizerFromGguf({ model: 'bert', tokens, tokenTypes, unknownId: 100, clsId: 101 });
      const shared = join(fixtures()!, 'tokenizers');
      expect(
        differing(tokenizer, json(join(shared, 'strings.json')), json(join(shared, 'all-minilm.ids.json'))),
      ).toEqual([]);
    },
  );
});

describe('a checkpoint folder', () => {
  it('gives ids, special ids, BOS from the post-processor and the chat template', async () => {
    const tokenizer = await loadTokenizer(folder);
    expect(differing(tokenizer, byteLevel.strings, byteLevel.ids['llama-bpe'])).toEqual([]);
    expect(tokenizer).toMatchObject({ vocabularySize: 900, bosId: 0, eosId: 2, addsBos: true });
    expect(tokenizer.padId).toBeUndefined();
    expect(tokenizer.chatTemplate).toContain('<|im_start|>');
  });

  it('adds BOS as asked, never twice', async () => {
    const tokenizer = await loadTokenizer(folder);
    expect(withBos(tokenizer, [5, 6], 'auto')).toEqual({ ids: [0, 5, 6], bosAdded: true });
    expect(withBos(tokenizer, [0, 6], 'add')).toEqual({ ids: [0, 6], bosAdded: false });
    expect(withBos(tokenizer, [5, 6], 'none')).toEqual({ ids: [5, 6], bosAdded: false });
    const without = tokenizerFromGguf({
      model: 'gpt2',
      pre: 'smollm',
      tokens: byteLevel.tokens,
      merges: byteLevel.merges,
    });
    expect(withBos(without, [5], 'auto')).toEqual({ ids: [5], bosAdded: false });
    expect(() => withBos(without, [5], 'add')).toThrow('--bos add: this tokenizer names no BOS token');
  });

  it('without tokenizer.json says what to do', async () => {
    await expect(loadTokenizer(bundled('families/llama'))).rejects.toThrow(
      'tokenizer.json: no such file; give token ids with --ids',
    );
  });
});

describe('a hostile tokenizer.json', () => {
  const base = () => json(join(folder, 'tokenizer.json'));
  const made = (change: (value: ReturnType<typeof base>) => void, config?: unknown) => {
    const value = base();
    change(value);
    return createTokenizer({ tokenizer: value, config });
  };

  it('with a pattern that backtracks for ever ends with an error', () => {
    const tokenizer = made((value) => {
      value.pre_tokenizer = { type: 'Split', pattern: { Regex: '(?:x+x+)+y' }, behavior: 'Isolated', invert: false };
    });
    expect(tokenizer.encode('hello').length).toBeGreaterThan(0);
    const before = Date.now();
    expect(() => tokenizer.encode('x'.repeat(60))).toThrow('encoding 60 characters: not finished after 2003 ms');
    expect(Date.now() - before).toBeLessThan(10_000);
  });

  it.each([
    ['a list', [], 'expected a JSON object, got a list'],
    ['a text', 'x', 'expected a JSON object, got a string'],
    ['no model', {}, '"model" must be an object, got nothing'],
    ['an unknown model', { model: { type: 'Oracle' } }, '"model.type" "Oracle" is not known'],
    [
      'an id that is no integer',
      { model: { type: 'WordPiece', vocab: { a: '1' } } },
      'token "a": the id must be an integer',
    ],
    [
      'a huge id',
      { model: { type: 'WordPiece', vocab: { a: 4e9 } } },
      'token "a": the id must be an integer from 0 to 3999999',
    ],
    [
      'a wrong merge',
      { model: { type: 'BPE', vocab: {}, merges: ['a b c'] } },
      '"model.merges", entry 0, must be two pieces',
    ],
    [
      'an added token without id',
      { model: { type: 'BPE', vocab: {}, merges: [] }, added_tokens: [{ content: 'x' }] },
      '"added_tokens", entry 0',
    ],
    [
      'a number as decoder',
      { model: { type: 'BPE', vocab: {}, merges: [] }, decoder: 3 },
      '"decoder" must be an object or null, got a number',
    ],
  ])('that is %s is refused', (_, tokenizer, message) => {
    expect(() => createTokenizer({ tokenizer })).toThrow(message);
  });

  it('with an invalid pattern, an unknown stage or an endless stage is refused', () => {
    expect(() => made((value) => (value.pre_tokenizer = { type: 'Split', behavior: 'Isolated', pattern: {} }))).toThrow(
      'the "pattern" of a Split must be a String or a Regex',
    );
    const split = (Regex: string) => ({ type: 'Split', pattern: { Regex }, behavior: 'Isolated' });
    expect(() => made((value) => (value.pre_tokenizer = split('(')))).toThrow(
      /tokenizer.json: the tokenizer cannot be used \(Invalid regular expression/,
    );
    expect(() => made((value) => (value.pre_tokenizer = { type: 'Nonsense' }))).toThrow(
      'Unknown PreTokenizer type: Nonsense',
    );
    expect(() => made((value) => (value.pre_tokenizer = { type: 'FixedLength', length: 0 }))).toThrow(
      '"length" must be a positive integer',
    );
    expect(() => made((value) => (value.pre_tokenizer = { ...split('a'), behavior: 'MergedWithNext' }))).toThrow(
      'a Split with behavior "MergedWithNext"',
    );
  });

  it('that blows a text up is refused', () => {
    const double = { type: 'Replace', pattern: { String: 'a' }, content: 'aa' };
    expect(() =>
      made((value) => (value.normalizer = { type: 'Sequence', normalizers: Array(30).fill(double) })).encode(
        'a'.repeat(1000),
      ),
    ).toThrow('its normalizer or pre_tokenizer blows a text up');
  });

  it('asking for Python code is refused', () => {
    expect(() => made(() => {}, { auto_map: { AutoTokenizer: ['x.py', null] } })).toThrow(
      'asks for Python code of its own (auto_map)',
    );
  });

  it('with tokens named __proto__ and constructor keeps them tokens', () => {
    const text = JSON.stringify(base()).replace('"vocab":{', '"vocab":{"__proto__":900,"constructor":901,');
    const tokenizer = createTokenizer({ tokenizer: JSON.parse(text) });
    expect(tokenizer.vocabularySize).toBe(902);
    expect(tokenizer.token(900)).toBe('__proto__');
    expect(tokenizer.encode('constructor')).toEqual([901]);
    expect(tokenizer.decode(tokenizer.encode('__proto__ toString'))).toBe('__proto__ toString');
  });
});

const shared = fixtures();
const references = (name: string) => json(join(shared!, 'tokenizers', `${name}.ids.json`));
const has = (path: string) => shared !== undefined && existsSync(join(models, path));

describe('real tokenizers on the 290 shared strings (need the shared fixtures and SINKLAB_MODELS, a folder of models)', () => {
  it.skipIf(!has('smollm2-135m-instruct.gguf'))('SmolLM2-135M-Instruct from its GGUF equals llama.cpp', async () => {
    const { metadata } = await gguf(join(models, 'smollm2-135m-instruct.gguf'), { allowLocalFile: true });
    const values = metadata as unknown as Record<string, never>;
    const tokenizer = tokenizerFromGguf({
      model: values['tokenizer.ggml.model']!,
      pre: values['tokenizer.ggml.pre']!,
      tokens: values['tokenizer.ggml.tokens']!,
      merges: values['tokenizer.ggml.merges']!,
      tokenTypes: values['tokenizer.ggml.token_type']!,
      bosId: values['tokenizer.ggml.bos_token_id']!,
      addBos: values['tokenizer.ggml.add_bos_token']!,
    });
    expect(differing(tokenizer, json(join(shared!, 'tokenizers/strings.json')), references('smollm2'))).toEqual([]);
    expect(tokenizer).toMatchObject({ vocabularySize: 49152, bosId: 1, addsBos: false });
  });

  it.skipIf(!has('all-minilm-l6-v2/tokenizer.json') || !has('whisper-tiny-en/tokenizer.json')).each([
    ['all-minilm-l6-v2', 'all-minilm'],
    ['whisper-tiny-en', 'whisper-tiny-en'],
  ])('%s equals the reference library', async (model, name) => {
    const tokenizer = await loadTokenizer(join(models, model));
    expect(differing(tokenizer, json(join(shared!, 'tokenizers/strings.json')), references(name))).toEqual([]);
  });
});
