import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { TensorToWrite } from '../../src/load/write-safetensors.ts';
import { writeSafetensors } from '../../src/load/write-safetensors-node.ts';
import type { MemoryBatch, TokenBatch } from '../../src/models/input.ts';
import type { Model } from '../../src/models/model.ts';
import { run } from '../../src/models/run.ts';
import { verify } from '../../src/models/verify.ts';
import { multiply } from '../../src/tensor/index.ts';
import { type Change, changed, refusal } from './changed.ts';
import { familyFolder, furthest, open, openReference, someIds } from './support.ts';

const names = ['whisper', 't5', 't5_v1_1'] as const;
const folders = names.flatMap((name) => {
  const folder = familyFolder(name);
  return folder === undefined ? [] : [[name, folder] as const];
});
const here = folders.length === names.length;
const needs = here ? '' : ' (needs the shared fixtures: SINKLAB_FIXTURES)';
const folderOf = (name: (typeof names)[number]) => familyFolder(name)!;

const numbers = (length: number, seed: number) =>
  Float32Array.from({ length }, (_, i) => Math.sin(i * 1.7 + seed) + Math.cos(i * 0.31 * seed));

/** A memory of B texts of S positions. */
const someMemory = (B: number, S: number, M = 32): MemoryBatch => ({
  values: numbers(B * S * M, 2),
  shape: [B, S, M],
});

const data = (value: { readonly data: ArrayLike<unknown> } | undefined) => value!.data as Float32Array;

describe.skipIf(!here)(`encoder and decoder${needs}`, () => {
  it('are two models that share weights; the decoder is the one that is meant, and is no causal decoder of text alone', async () => {
    await using model = await open(folderOf('whisper'));
    expect([...model.parts.keys()]).toEqual(['encoder', 'decoder']);
    expect(model.parts.get('decoder')!.stack).toBe(model.stack);
    expect(model.parts.get('encoder')!.weights).toBe(model.weights);
    expect(() => model.decoder).toThrow(
      'whisper decoder looks at what an encoder gave; a causal decoder of tokens is needed here',
    );
  });

  it('hook points of attention to the memory fire between those of the text and of the feed-forward part', async () => {
    await using model = await open(folderOf('t5'));
    const names = model.hookNames.filter((name) => name.startsWith('blocks.1.')).map((name) => name.slice(9));
    const attention = ['q.hook_out', 'hook_rot_q', 'hook_attn_scores', 'hook_pattern', 'hook_z', 'hook_out'];
    expect(names.filter((name) => !/\.(k|v)\.|rot_k/.test(name))).toEqual([
      ...['hook_in', 'ln1.hook_out', ...attention.map((name) => `attn.${name}`), 'hook_resid_mid'],
      ...['ln_cross.hook_out', ...attention.map((name) => `cross_attn.${name}`), 'hook_resid_mid_cross'],
      ...['ln2.hook_out', 'mlp.hook_pre', 'mlp.hook_post', 'mlp.hook_out', 'hook_out'],
    ]);
    expect(names.filter((name) => /\.(k|v)\.|rot_k/.test(name))).toEqual([
      ...['attn.k.hook_out', 'attn.hook_rot_k', 'attn.v.hook_out'],
      ...['cross_attn.k.hook_out', 'cross_attn.hook_rot_k', 'cross_attn.v.hook_out'],
    ]);
    const encoder = model.parts.get('encoder')!;
    expect(encoder.hookNames.some((name) => name.includes('cross'))).toBe(false);
  });

  it('an edit of the cross pattern changes the logits, one of a memory position that is padding does not', async () => {
    await using model = await open(folderOf('t5_v1_1'));
    const memory = { ...someMemory(1, 6), real: Uint8Array.of(1, 1, 1, 1, 0, 0) };
    const ids = [someIds(5)];
    const plain = await run(model, { ids, memory });
    const edited = await run(model, { ids, memory }, { edit: { 'blocks.0.cross_attn.hook_z': (z) => multiply(z, 0) } });
    expect(furthest(data(plain.logits), data(edited.logits))).toBeGreaterThan(1e-3);
    const values = memory.values.slice();
    values.fill(100, 4 * 32);
    const other = await run(model, { ids, memory: { ...memory, values } });
    expect(furthest(data(plain.logits), data(other.logits))).toBeLessThan(1e-6);
  });

  it.each([
    [{ ids: [[1]] }, 'whisper decoder looks at what an encoder gave: give it as memory'],
    [{ ids: [[1]], memory: someMemory(1, 3, 16) }, 'memory: expected shape [1, S, 32], got [1,3,16]'],
    [{ ids: [[1]], memory: someMemory(2, 3) }, 'memory: expected shape [1, S, 32], got [2,3,32]'],
    [
      { ids: [[1]], memory: { ...someMemory(1, 3), real: new Uint8Array(3) } },
      'memory.real: text 0 has no real position to look at',
    ],
  ] as [TokenBatch, string][])('the decoder refuses %#', async (batch, message) => {
    await using model = await open(folderOf('whisper'));
    await expect(run(model, batch)).rejects.toThrow(message);
  });

  it('the encoder reads spectrograms of its own length alone', async () => {
    await using model = await open(folderOf('whisper'));
    const encoder = model.parts.get('encoder')!;
    await expect(run(encoder, { features: new Float32Array(8 * 38), shape: [1, 8, 38] })).rejects.toThrow(
      'features: whisper encoder reads [B, 8, 40], got [1,8,38]',
    );
    await expect(run(encoder, { ids: [[1]] })).rejects.toThrow('whisper encoder reads a spectrogram, got tokens');
  });
});

const logitsOf = async (model: Model) => {
  const { logits } = await run(model, { ids: [someIds(6)], memory: someMemory(1, 5) });
  return data(logits);
};

describe.skipIf(!here)(`a checkpoint of two stacks that is not understood whole${needs}`, () => {
  it.each([
    [
      'whisper',
      { weights: (all) => all.delete('model.encoder.conv2.weight') },
      'LoadError: MODEL: missing tensors for family whisper: model.encoder.conv2.weight; the files may be incomplete, or config.json belongs to another model',
    ],
    [
      'whisper',
      { weights: (all) => all.set('model.decoder.layers.0.self_attn.k_proj.bias', zeros(32)) },
      'LoadError: MODEL: tensors that family whisper does not read: model.decoder.layers.0.self_attn.k_proj.bias; results without them would be wrong',
    ],
    [
      'whisper',
      { config: (config) => Object.assign(config, { max_source_positions: 21 }) },
      'LoadError: MODEL: tensor model.encoder.embed_positions.weight has shape [20,32], the configuration makes it [21,32]',
    ],
    [
      'whisper',
      { config: (config) => Object.assign(config, { decoder_attention_heads: 5 }) },
      'LoadError: MODEL config.json: "decoder_attention_heads" expected a divisor of d_model, 32, got 5',
    ],
    [
      'whisper',
      { config: (config) => Object.assign(config, { scale_embedding: true }) },
      'LoadError: MODEL config.json: "scale_embedding" expected false, got true',
    ],
    [
      'whisper',
      { config: (config) => Object.assign(config, { encoder_bias: true }) },
      'LoadError: MODEL config.json: this key is not understood and may change results: "encoder_bias"',
    ],
    [
      't5',
      { weights: (all) => all.set('lm_head.bias', zeros(97)) },
      'LoadError: MODEL: tensors that family t5 does not read: lm_head.bias; results without them would be wrong',
    ],
    [
      't5',
      { config: (config) => Object.assign(config, { relative_attention_num_buckets: 30 }) },
      'LoadError: MODEL config.json: "relative_attention_num_buckets" expected a multiple of 4, got 30',
    ],
    [
      't5',
      { config: (config) => Object.assign(config, { relative_attention_max_distance: 16 }) },
      'LoadError: MODEL config.json: "relative_attention_max_distance" expected a whole number from 17 to 1048576, got 16',
    ],
    [
      't5',
      { config: (config) => Object.assign(config, { dense_act_fn: 'gelu' }) },
      'LoadError: MODEL config.json: "dense_act_fn" expected "relu", got "gelu"',
    ],
    [
      't5_v1_1',
      { config: (config) => Object.assign(config, { tie_word_embeddings: false }) },
      'LoadError: MODEL: missing tensors for family t5: lm_head.weight; the files may be incomplete, or config.json belongs to another model',
    ],
  ] as [(typeof names)[number], Change, string][])('%s: %#', async (name, change, message) => {
    expect(await refusal(await changed(folderOf(name), change))).toBe(message);
  });
});

const zeros = (length: number) => ({ dtype: 'F32', shape: [length], values: new Float32Array(length) }) as const;

describe.skipIf(!here)(`releases of T5${needs}`, () => {
  it('with a copy of the token table beside it, and a table of positions for the memory, give the same logits', async () => {
    const folder = await changed(folderOf('t5'), {
      weights(all) {
        const shared = all.get('shared.weight')!;
        for (const name of ['lm_head.weight', 'encoder.embed_tokens.weight', 'decoder.embed_tokens.weight'])
          all.set(name, shared);
        const table = all.get('decoder.block.0.layer.0.SelfAttention.relative_attention_bias.weight')!;
        all.set('decoder.block.0.layer.1.EncDecAttention.relative_attention_bias.weight', table);
      },
    });
    await using plain = await open(folderOf('t5'));
    await using copies = await open(folder);
    expect(furthest(await logitsOf(plain), await logitsOf(copies))).toBe(0);
  });

  it('scale the stream before a tied output by 1/√M: the logits of an untied copy are larger by √M', async () => {
    const untied = await changed(folderOf('t5'), {
      weights: (all) => all.set('lm_head.weight', all.get('shared.weight')!),
      config: (config) => {
        delete config.scale_decoder_outputs;
        config.tie_word_embeddings = false;
      },
    });
    await using scaled = await open(folderOf('t5'));
    await using plain = await open(untied);
    const expected = (await logitsOf(scaled)).map((logit) => logit * Math.sqrt(32));
    expect(furthest(await logitsOf(plain), expected)).toBeLessThan(1e-4);
  });

  it('as mT5 are never scaled, and take an output table of their own where one is stored', async () => {
    const as = (config: Record<string, unknown>) => Object.assign(config, { model_type: 'mt5' });
    await using t5 = await open(folderOf('t5_v1_1'));
    await using mt5 = await open(await changed(folderOf('t5_v1_1'), { config: as }));
    expect(furthest(await logitsOf(t5), await logitsOf(mt5))).toBe(0);
    const other = await changed(folderOf('t5_v1_1'), {
      config: as,
      weights(all) {
        const { shape, values } = all.get('shared.weight')!;
        all.set('lm_head.weight', { dtype: 'F32', shape, values: values.map((value) => 2 * value) });
      },
    });
    await using apart = await open(other);
    const expected = (await logitsOf(t5)).map((logit) => 2 * logit);
    expect(furthest(await logitsOf(apart), expected)).toBeLessThan(1e-4);
  });

  it('as an encoder alone are one stack that reads text in both directions', async () => {
    const folder = await changed(folderOf('t5'), {
      config: (config) => Object.assign(config, { architectures: ['T5EncoderModel'], is_encoder_decoder: false }),
      weights(all) {
        for (const name of [...all.keys()]) if (name.startsWith('decoder.')) all.delete(name);
      },
    });
    const expected = await openReference(join(folder, 'expected.safetensors'));
    const tensors = new Map<string, TensorToWrite>();
    for (const [name, { shape }] of expected.tensors)
      if (/^(input\.input_ids|output\.encoder_)/.test(name))
        tensors.set(name.replace('encoder_', ''), { dtype: 'F32', shape, values: await expected.read(name) });
    const path = join(folder, 'encoder.safetensors');
    await writeSafetensors(path, tensors);
    await using model = await open(folder);
    expect(model.parts.size).toBe(0);
    const result = await verify(model, await openReference(path));
    expect(result).toMatchObject({ holds: true, missing: [], misplaced: [], unknown: [] });
    expect(new Set(result.comparisons.map(({ kind }) => kind))).toEqual(
      new Set(['embeddings', 'attentions', 'rows + sink', 'hidden_states', 'last_hidden_state']),
    );
  });
});
