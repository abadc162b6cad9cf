import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { createTokenizer } from '../../src/load/tokenizer.ts';
import { loadTokenizer } from '../../src/load/tokenizer-node.ts';
import { bundled } from '../fixtures.ts';

const json = JSON.parse(readFileSync(bundled('tokenizers/folder/tokenizer.json'), 'utf8')) as Record<string, unknown>;
const withProcessor = (post_processor: unknown) => createTokenizer({ tokenizer: { ...json, post_processor } });

const [cls, sep] = ['<|endoftext|>', '<|im_start|>'];
const token = (id: string, type_id: number) => ({ SpecialToken: { id, type_id } });
const text = (id: 'A' | 'B', type_id: number) => ({ Sequence: { id, type_id } });
const special_tokens = Object.fromEntries([cls, sep].map((id, i) => [id, { id, ids: [i], tokens: [id] }]));
const template = {
  ...{ type: 'TemplateProcessing', special_tokens },
  single: [token(cls, 0), text('A', 0), token(sep, 0)],
  pair: [token(cls, 0), text('A', 0), token(sep, 0), text('B', 1), token(sep, 1)],
};
const ends = { sep: [sep, 1], cls: [cls, 0] };

// Ids and types of the reference library (Python `tokenizers` 0.23).
const [first, second] = ['Emma Woodhouse, handsome', 'clever and rich'];
const a = [883, 577, 14, 835, 424];
const b = [69, 292, 302, 283, 742, 324];
const types = (zeros: number, ones: number) => [...Array<number>(zeros).fill(0), ...Array<number>(ones).fill(1)];

describe('one text and pairs, as the post-processor joins them', () => {
  it.each([
    ['its own template', json.post_processor, [0, ...a], [...a, ...b], types(5, 6)],
    ['a template as BERT has it', template, [0, ...a, 1], [0, ...a, 1, ...b, 1], types(7, 7)],
    ['BertProcessing', { type: 'BertProcessing', ...ends }, [0, ...a, 1], [0, ...a, 1, ...b, 1], types(7, 7)],
    ['RobertaProcessing', { type: 'RobertaProcessing', ...ends }, [0, ...a, 1], [0, ...a, 1, 1, ...b, 1], types(15, 0)],
    ['ByteLevel', { type: 'ByteLevel' }, a, [...a, ...b], types(5, 6)],
    ['none', null, a, [...a, ...b], types(5, 6)],
    [
      'a sequence',
      { type: 'Sequence', processors: [{ type: 'ByteLevel' }, template] },
      [0, ...a, 1],
      [0, ...a, 1, ...b, 1],
      types(7, 7),
    ],
  ])('%s', (_, processor, one, pair, pairTypes) => {
    const tokenizer = withProcessor(processor);
    expect(tokenizer.encodePair(first)).toEqual({ ids: one, types: types(one.length, 0) });
    expect(tokenizer.encodePair(first, second)).toEqual({ ids: pair, types: pairTypes });
    expect(tokenizer.encode(first)).toEqual(a);
  });

  it('an empty second text is refused', () => {
    expect(() => withProcessor(template).encodePair(first, '')).toThrow(
      'text pair: the second text is empty; leave it out',
    );
  });

  const minilm = join(process.env.SINKLAB_MODELS ?? '', 'all-minilm-l6-v2');
  it.skipIf(!existsSync(join(minilm, 'tokenizer.json')))(
    'all-MiniLM joins pairs as the reference (needs SINKLAB_MODELS, a folder of models)',
    async () => {
      const tokenizer = await loadTokenizer(minilm);
      const query = 'A query about sinks.';
      const one = [101, 1037, 23032, 2055, 23462, 1012, 102];
      expect(tokenizer.encodePair(query)).toEqual({ ids: one, types: types(7, 0) });
      expect(tokenizer.encodePair(query, 'Attention is received by [SEP] tokens.')).toEqual({
        ids: [...one, 3086, 2003, 2363, 2011, 102, 19204, 2015, 1012, 102],
        types: types(7, 9),
      });
      expect(tokenizer.encodePair('', 'x')).toEqual({ ids: [101, 102, 1060, 102], types: [0, 0, 1, 1] });
    },
  );
});
