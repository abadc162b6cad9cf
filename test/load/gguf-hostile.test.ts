import { readFileSync } from 'node:fs';
import { beforeAll, describe, expect, it } from 'vitest';
import { LoadError } from '../../src/error.ts';
import { bundled } from '../fixtures.ts';
import { buildGguf, type GgufTensor, type Meta } from './build-gguf.ts';
import { open, sizes } from './gguf-support.ts';

const bundledPath = bundled('gguf/llama-q8_0.gguf');

describe('a hostile or unknown GGUF file', () => {
  let good: Uint8Array;
  beforeAll(() => {
    good = new Uint8Array(readFileSync(bundledPath));
  });
  const llama = sizes('llama', [['llama.attention.layer_norm_rms_epsilon', { float: 1e-6 }]]);
  const embedding: GgufTensor = { name: 'token_embd.weight', shape: [4, 32], values: new Float32Array(128) };
  const patched = (change: (view: DataView, bytes: Uint8Array) => void): Uint8Array => {
    const bytes = buildGguf(llama, [embedding]);
    change(new DataView(bytes.buffer), bytes);
    return bytes;
  };

  it('is refused at every truncation, with a LoadError', async () => {
    for (let length = 0; length < good.length; length += length < 2300 ? 1 : 997) {
      await expect(open(good.slice(0, length))).rejects.toThrow(LoadError);
    }
    await expect(open(good.slice(0, 2000))).rejects.toThrow(
      'gguf x.gguf: the header ends after 2000 bytes, in the middle; the download may be incomplete',
    );
    await expect(open(good.slice(0, 47000))).rejects.toThrow(
      'tensor "output.weight" ends at byte 47778, the file has 47000',
    );
  });

  const cases: [what: string, make: () => Uint8Array, message: string][] = [
    ['another file', () => patched((view) => view.setUint32(0, 0x04034b50)), 'expected the letters GGUF at the start'],
    [
      'version 1',
      () => patched((view) => view.setUint32(4, 1, true)),
      'expected version 2 or 3, got 1; convert it again',
    ],
    ['big-endian numbers', () => patched((view) => view.setUint32(4, 3)), 'got 50331648 (a big-endian file?)'],
    [
      '2^40 tensors',
      () => patched((view) => view.setBigUint64(8, 2n ** 40n, true)),
      'cannot hold 1099511627776 tensors',
    ],
    [
      '2^63 tensors',
      () => patched((view) => view.setBigUint64(8, 2n ** 63n, true)),
      'the number of tensors is 9223372036854775808',
    ],
    [
      '999,999 keys',
      () => patched((view) => view.setBigUint64(16, 999_999n, true)),
      'tensors and 999999 metadata keys',
    ],
    [
      'a key of 2^32 letters',
      () => patched((view) => view.setBigUint64(24, 2n ** 32n, true)),
      'is said to have 4294967296 bytes',
    ],
    [
      'a key that is not UTF-8',
      () => patched((_, bytes) => bytes.fill(0xff, 32, 34)),
      'a metadata key at byte 32 is not valid UTF-8',
    ],
    [
      'a key twice',
      () => buildGguf([...llama, llama[1]!], [embedding]),
      'metadata key "llama.block_count" occurs twice',
    ],
    ['a tensor twice', () => buildGguf(llama, [embedding, embedding]), 'tensor "token_embd.weight" occurs twice'],
    ['an unknown type of value', () => patched((view) => view.setUint32(52, 13, true)), 'has the unknown type 13'],
    [
      'an array of 2^31 numbers',
      () => withArray(2n ** 31n, 4),
      'is said to have 2147483648 elements, too many for the file',
    ],
    ['an array of arrays', () => withArray(1n, 9), 'is an array of arrays'],
    [
      'a type without support',
      () => buildGguf(llama, [{ ...embedding, type: 15 }]),
      'has type Q8_K, which is not supported',
    ],
    [
      'a type nobody knows',
      () => buildGguf(llama, [{ ...embedding, type: 99 }]),
      'has type number 99, which is not supported',
    ],
    [
      'five dimensions',
      () => buildGguf(llama, [{ ...embedding, shape: [1, 1, 1, 4, 32] }]),
      'has 5 dimensions, expected 1 to 4',
    ],
    [
      'a shape that overflows',
      () => buildGguf(llama, [{ ...embedding, shape: [2 ** 40, 2 ** 40] }]),
      'impossible shape',
    ],
    ['an empty shape', () => buildGguf(llama, [{ ...embedding, shape: [0, 32] }]), 'impossible shape [0,32]'],
    [
      'rows that are no whole blocks',
      () => buildGguf(llama, [{ ...embedding, shape: [4, 31], type: 8 }]),
      'of type Q8_0 has the impossible shape',
    ],
    [
      'an offset with a hole',
      () => buildGguf(llama, [{ ...embedding, offset: 32 }]),
      'lies at byte 32 of the data, expected 0',
    ],
    [
      'overlapping tensors',
      () => buildGguf(llama, [embedding, { ...embedding, name: 'b', offset: 0 }]),
      'lies at byte 0 of the data, expected 512',
    ],
    [
      'an odd alignment',
      () => buildGguf([...llama, ['general.alignment', 7]], [embedding]),
      'general.alignment must be a multiple of 8',
    ],
    [
      'an unknown architecture',
      () => buildGguf([['general.architecture', 'mamba']], [embedding]),
      'architecture "mamba" is not supported (known: llama,',
    ],
    ['no architecture', () => buildGguf([], [embedding]), 'architecture undefined is not supported'],
    [
      'an unknown key of the architecture',
      () => buildGguf([...llama, ['llama.logit_scale', { float: 2 }]], [embedding]),
      'this key is not understood and may change results: "llama.logit_scale"',
    ],
    [
      'experts in arch qwen2',
      () =>
        buildGguf(
          [...sizes('qwen2', [['qwen2.attention.layer_norm_rms_epsilon', { float: 1e-6 }]]), ['qwen2.expert_count', 8]],
          [embedding],
        ),
      '"qwen2.expert_count" expected 0, got 8',
    ],
    [
      'experts without a number of them that are used',
      () => buildGguf([...llama, ['llama.expert_count', 8]], [embedding]),
      '"llama.expert_used_count" expected a whole number from 1 to 8, got nothing',
    ],
    [
      'another number of stacked experts than it says',
      () =>
        buildGguf(
          [...llama, ['llama.expert_count', 3], ['llama.expert_used_count', 1]],
          [embedding, { name: 'blk.0.ffn_up_exps.weight', shape: [2, 2, 32], values: new Float32Array(128) }],
        ),
      'tensor "blk.0.ffn_up_exps.weight" of shape [2,2,32] cannot be divided into 3 tensors',
    ],
    [
      'experts twice, stacked and one by one',
      () =>
        buildGguf(
          [...llama, ['llama.expert_count', 2], ['llama.expert_used_count', 1]],
          [
            { name: 'blk.0.ffn_up.1.weight', shape: [2, 32], values: new Float32Array(64) },
            { name: 'blk.0.ffn_up_exps.weight', shape: [2, 2, 32], values: new Float32Array(128) },
            embedding,
          ],
        ),
      'would be "model.layers.0.block_sparse_moe.experts.1.w3.weight", which another tensor is already',
    ],
    [
      'a part without its partner',
      () =>
        buildGguf(
          sizes('gpt-oss', [
            ['gpt-oss.attention.layer_norm_rms_epsilon', { float: 1e-5 }],
            ['gpt-oss.expert_count', 2],
            ['gpt-oss.expert_used_count', 1],
            ['gpt-oss.attention.sliding_window', 4],
          ]),
          [embedding, { name: 'blk.0.ffn_up_exps.bias', shape: [2, 64], values: new Float32Array(128) }],
        ),
      'tensor "blk.0.ffn_up_exps.bias" needs its partner ffn_gate_exps',
    ],
    [
      'an unknown tensor',
      () => buildGguf(llama, [embedding, { ...embedding, name: 'blk.0.mystery.weight' }]),
      'tensor "blk.0.mystery.weight" is not known for architecture llama',
    ],
    [
      'no embedding',
      () => buildGguf(llama, [{ ...embedding, name: 'output.weight' }]),
      '"token_embd.weight" [vocabulary, width] is missing',
    ],
    [
      'one part of several',
      () => buildGguf([...llama, ['split.count', 2]], [embedding]),
      'one part of several; join them first',
    ],
    [
      'heads that do not divide the rows',
      () => buildGguf(llama, [embedding, { ...embedding, name: 'blk.0.attn_q.weight' }]),
      'cannot be divided into 4 heads of rotary pairs',
    ],
    [
      'another vocabulary size',
      () => buildGguf([...llama, ['llama.vocab_size', 9]], [embedding]),
      '"llama.vocab_size" expected 4, the rows of token_embd.weight, got 9',
    ],
    [
      'a table that is no Llama 3 scaling',
      () =>
        buildGguf(llama, [embedding, { name: 'rope_freqs.weight', shape: [4], values: Float32Array.of(1, 9, 2, 8) }]),
      'rope_freqs.weight is not the table',
    ],
    [
      'bytes behind the end',
      () => new Uint8Array([...buildGguf(llama, [embedding]), 1]),
      '1 bytes behind the last tensor belong to no tensor',
    ],
    [
      'scores for other tokens',
      () =>
        buildGguf(
          [
            ...llama,
            ['tokenizer.ggml.model', 'llama'],
            ['tokenizer.ggml.tokens', { strings: ['a'] }],
            ['tokenizer.ggml.token_type', { ints: [1, 1] }],
          ],
          [embedding],
        ),
      '"tokenizer.ggml.token_type" has 2 elements for 1 tokens',
    ],
  ];
  function withArray(count: bigint, type: number): Uint8Array {
    const bytes = buildGguf([['array', { ints: [1] }]], [embedding]);
    const view = new DataView(bytes.buffer);
    view.setUint32(41, type, true);
    view.setBigUint64(45, count, true);
    return bytes;
  }
  it.each(cases)('is refused: %s', async (_, make, message) => {
    await expect(open(make())).rejects.toThrow(message);
    await expect(open(make())).rejects.toThrow(LoadError);
  });

  it('gives the tokenizer as stored when there is one', async () => {
    const meta: (readonly [string, Meta])[] = [
      ...llama,
      ['tokenizer.ggml.model', 'gpt2'],
      ['tokenizer.ggml.pre', 'smollm'],
      ['tokenizer.ggml.tokens', { strings: ['a', 'é', '<s>'] }],
      ['tokenizer.ggml.token_type', { ints: [1, 1, 3] }],
      ['tokenizer.ggml.merges', { strings: ['a b'] }],
      ['tokenizer.ggml.bos_token_id', 2],
      ['tokenizer.ggml.add_bos_token', false],
      ['tokenizer.chat_template', '{{ x }}'],
    ];
    const { ggufTokenizer, config } = await open(buildGguf(meta, [embedding]));
    expect(ggufTokenizer).toEqual({
      model: 'gpt2',
      pre: 'smollm',
      tokens: ['a', 'é', '<s>'],
      tokenTypes: [1, 1, 3],
      merges: ['a b'],
      bosId: 2,
      addBos: false,
      chatTemplate: '{{ x }}',
    });
    expect(config).toMatchObject({ bos_token_id: 2, tie_word_embeddings: true, vocab_size: 4 });
  });
});
