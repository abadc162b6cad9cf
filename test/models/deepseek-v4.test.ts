import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { openFile } from '../../src/load/bytes-node.ts';
import { ConfigReader } from '../../src/load/config.ts';
import { openSafetensorsFile } from '../../src/load/safetensors-file.ts';
import type { TensorToWrite } from '../../src/load/write-safetensors.ts';
import { writeSafetensors } from '../../src/load/write-safetensors-node.ts';
import { readDeepseekV4 } from '../../src/models/parts/deepseek-v4-config.ts';
import { copied, familyFolder, furthest, logitsOf, open, someIds } from './support.ts';

const small = { num_attention_heads: 8, head_dim: 16, hidden_size: 32, num_hidden_layers: 5, vocab_size: 97 };
const read = (more: object) => readDeepseekV4(new ConfigReader({ ...small, ...more }, 'config.json'));
const folder = familyFolder('deepseek_v4_compressed')!;

describe('layers of DeepSeek-V4', () => {
  const [none, few, many] = [
    { rate: undefined, indexed: false },
    { rate: 4, indexed: true },
    { rate: 128, indexed: false },
  ];

  it('without lists: two of many tokens to an entry, then by turns; three with experts by a table', () => {
    expect(read({}).layers).toEqual([
      { ...many, byTable: true },
      { ...many, byTable: true },
      { ...many, byTable: true },
      { ...few, byTable: false },
      { ...many, byTable: false },
    ]);
  });

  it('by compress_ratios, which also name layers behind the last, and num_hash_layers', () => {
    expect(read({ compress_ratios: [0, 4, 128, 4, 0, 0], num_hash_layers: 1 }).layers).toEqual([
      { ...none, byTable: true },
      { ...few, byTable: false },
      { ...many, byTable: false },
      { ...few, byTable: false },
      { ...none, byTable: false },
    ]);
  });

  it('rates come from compress_rates or from keys of their own', () => {
    const rates = { compressed_sparse_attention: 8, heavily_compressed_attention: 64 };
    const kinds = (more: object) => read(more).layers.map(({ rate }) => rate);
    expect(kinds({ compress_rates: rates })).toEqual([64, 64, 64, 8, 64]);
    expect(kinds({ compress_rate_csa: 2, compress_rate_hca: 16 })).toEqual([16, 16, 16, 2, 16]);
  });
});

describe('positions of DeepSeek-V4', () => {
  const yarn = { type: 'yarn', factor: 16, original_max_position_embeddings: 65_536 };

  it('scaling is of layers with entries alone, and multiplies nothing unless the file says so', () => {
    const { ropes } = read({ rope_scaling: yarn, qk_rope_head_dim: 4 });
    expect(ropes.main).toEqual({ kind: 'default', theta: 10_000, partial: 0.25 });
    expect(ropes.compress).toMatchObject({
      kind: 'yarn',
      theta: 160_000,
      partial: 0.25,
      factor: 16,
      attentionFactor: 1,
    });
  });

  it.each([
    [
      { qk_rope_head_dim: 4, partial_rotary_factor: 0.5 },
      '"qk_rope_head_dim" expected 8, as partial_rotary_factor says',
    ],
    [{ rope_parameters: { rope_type: 'default' } }, '"rope_parameters" expected an object with "main" and "compress"'],
    [
      { rope_theta: 5000, rope_parameters: { main: { rope_theta: 10_000 }, compress: {} } },
      '"rope_theta" expected 10000, as rope_parameters says, got 5000',
    ],
    [
      { rope_scaling: { ...yarn, rope_theta: 5 } },
      '"rope_scaling" expected scaling alone; the base is compress_rope_theta',
    ],
    [{ o_groups: 3 }, '"o_groups" expected a divisor of num_attention_heads, 8, got 3'],
    [{ num_key_value_heads: 2 }, '"num_key_value_heads" expected 1, got 2'],
    [{ compress_ratios: [4, 4] }, '"compress_ratios" expected a number for each of 5 layers, got [4,4]'],
  ])('%o is refused by name', (more, message) => {
    expect(() => read(more)).toThrow(`config.json: ${message}`);
  });
});

describe('a checkpoint of DeepSeek-V4', () => {
  it('is read under the names of releases, which have no "model." before them', async () => {
    const copy = await copied(folder);
    const path = join(copy, 'model.safetensors');
    const file = await openSafetensorsFile(await openFile(path));
    const tensors = new Map<string, TensorToWrite>();
    const released = (name: string) =>
      name
        .replace('model.embed_tokens.', 'embed.')
        .replace('model.hc_head.hc_', 'hc_head_')
        .replace(/^model\./, '');
    for (const [name, { shape }] of file.tensors)
      tensors.set(released(name), { dtype: 'F32', shape, values: await file.read(name) });
    await file.close();
    await writeSafetensors(path, tensors);
    await using plain = await open(folder);
    await using renamed = await open(copy);
    const ids = [someIds(11)];
    expect([...tensors.keys()]).toEqual(expect.arrayContaining(['embed.weight', 'hc_head_fn', 'norm.weight']));
    expect(furthest(await logitsOf(renamed, { ids }), await logitsOf(plain, { ids }))).toBe(0);
  });

  it.each([
    [
      'quantization_config',
      { quant_method: 'fp8' },
      'this key is not understood and may change results: "quantization_config"',
    ],
    ['mlp_bias', true, '"mlp_bias" expected false, got true'],
    ['norm_topk_prob', false, '"norm_topk_prob" expected true, got false'],
    ['scoring_func', 'softmax', '"scoring_func" expected one of "sqrtsoftplus", "sigmoid", got "softmax"'],
  ])('with %s %o is refused by name', async (key, value, message) => {
    const copy = await copied(folder);
    const config = JSON.parse(await readFile(join(copy, 'config.json'), 'utf8'));
    await writeFile(join(copy, 'config.json'), JSON.stringify({ ...config, [key]: value }));
    await expect(open(copy)).rejects.toThrow(`config.json: ${message}`);
  });
});
