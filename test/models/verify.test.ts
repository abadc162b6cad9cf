import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { memorySource } from '../../src/load/bytes-memory.ts';
import { openFile } from '../../src/load/bytes-node.ts';
import { openSafetensorsFile } from '../../src/load/safetensors-file.ts';
import { encodeSafetensors, type TensorToWrite } from '../../src/load/write-safetensors.ts';
import { verify } from '../../src/models/verify.ts';
import { bundled } from '../fixtures.ts';
import { copied, open, openReference } from './support.ts';

const llama = bundled('families/llama');

/** Flips the sign of the largest value of one stored tensor; of a token table, in the row of a token that is in the reference's input. */
async function flip(folder: string, name: string): Promise<void> {
  const path = join(folder, 'model.safetensors');
  const file = await openSafetensorsFile(await openFile(path));
  const { offset } = file.tensors.get(name)!.inPlace!;
  const values = await file.read(name);
  const expected = await openReference(join(folder, 'expected.safetensors'));
  const firstToken = (await expected.read('input.input_ids'))[0]!;
  await file.close();
  const width = file.tensors.get(name)!.shape[1]!;
  const used = name.endsWith('embed_tokens.weight') ? firstToken * width : 0;
  const end = used === 0 ? values.length : used + width;
  let largest = used;
  for (let i = used; i < end; i++) if (Math.abs(values[i]!) > Math.abs(values[largest]!)) largest = i;
  const bytes = await readFile(path);
  bytes.writeFloatLE(-bytes.readFloatLE(offset + 4 * largest), offset + 4 * largest);
  await writeFile(path, bytes);
}

/** The expected values of a fixture with some of them changed: undefined leaves a tensor out. */
async function reference(folder: string, change: (tensors: Map<string, TensorToWrite>) => void) {
  const file = await openReference(join(folder, 'expected.safetensors'));
  const tensors = new Map<string, TensorToWrite>();
  for (const [name, { shape, dtype }] of file.tensors) {
    const values = await file.read(name);
    tensors.set(
      name,
      dtype === 'I64'
        ? { dtype: 'I64', shape, values: BigInt64Array.from(values, BigInt) }
        : { dtype: 'F32', shape, values },
    );
  }
  change(tensors);
  return openSafetensorsFile(memorySource('changed.safetensors', await encodeSafetensors(tensors)));
}

describe('one flipped sign of one weight', () => {
  it.each([
    ['llama', 'model.embed_tokens.weight', 'output.hidden_states.0', undefined],
    ['llama', 'model.layers.0.input_layernorm.weight', 'output.attn_in.0', 0],
    ['llama', 'model.layers.1.self_attn.q_proj.weight', 'output.attentions.1', 1],
    ['llama', 'model.layers.1.self_attn.k_proj.weight', 'output.attentions.1', 1],
    ['llama', 'model.layers.1.self_attn.v_proj.weight', 'output.attn_out.1', 1],
    ['llama', 'model.layers.2.self_attn.o_proj.weight', 'output.attn_out.2', 2],
    ['llama', 'model.layers.1.post_attention_layernorm.weight', 'output.hidden_states.2', 1],
    ['llama', 'model.layers.0.mlp.gate_proj.weight', 'output.hidden_states.1', 0],
    ['llama', 'model.layers.1.mlp.down_proj.weight', 'output.hidden_states.2', 1],
    ['llama', 'model.norm.weight', 'output.hidden_states.3', 2],
    ['llama', 'lm_head.weight', 'output.logits', undefined],
    ['gpt_oss', 'model.layers.1.self_attn.sinks', 'output.attentions.1', 1],
    ['gpt_oss', 'model.layers.0.mlp.experts.down_proj_bias', 'output.hidden_states.1', 0],
    ['gemma3', 'model.layers.1.self_attn.k_norm.weight', 'output.attentions.1', 1],
    ['gemma3', 'model.layers.0.post_attention_layernorm.weight', 'output.hidden_states.1', 0],
    ['gpt2', 'transformer.h.1.attn.c_attn.weight', 'output.attentions.1', 1],
    ['gpt2', 'transformer.h.1.mlp.c_fc.weight', 'output.hidden_states.2', 1],
  ])('%s: %s is found in %s', async (family, weight, tensor, layer) => {
    const folder = await copied(bundled(`families/${family}`));
    await flip(folder, weight);
    await using model = await open(folder);
    const { holds, first, suspects } = await verify(model, await openReference(join(folder, 'expected.safetensors')));
    expect({ holds, tensor: first?.tensor, layer: first?.layer, lowering: first?.lowering }).toEqual({
      holds: false,
      tensor,
      layer,
      lowering: 'watched',
    });
    expect(suspects).toContain(weight);
    expect(suspects.length).toBeLessThan(family === 'gpt_oss' || weight.includes('norm') ? 9 : 7);
  });
});

describe('a reference that is not whole or not of this model', () => {
  const outcome = async (change: (tensors: Map<string, TensorToWrite>) => void, folder = llama) => {
    await using model = await open(folder);
    const { holds, first, missing, misplaced, unknown } = await verify(model, await reference(folder, change));
    return { holds, first: first && `${first.tensor} ${first.problem}`, missing, misplaced, unknown };
  };
  const fine = { holds: true, first: undefined, missing: [], misplaced: [], unknown: [] };

  it('holds when nothing was changed', async () => {
    expect(await outcome(() => {})).toEqual(fine);
  });

  it('fails for NaN and infinity, and says where', async () => {
    for (const bad of [Number.NaN, Number.POSITIVE_INFINITY]) {
      const result = await outcome((tensors) => {
        (tensors.get('output.attn_out.1')!.values as Float32Array)[5] = bad;
      });
      expect(result.holds).toBe(false);
      expect(result.first).toMatch(new RegExp(`^output.attn_out.1 is ${bad} in the reference and -?[0-9.e-]+ here$`));
    }
  });

  it('fails for a tensor of another shape', async () => {
    const result = await outcome((tensors) => {
      const { values } = tensors.get('output.hidden_states.1')!;
      tensors.set('output.hidden_states.1', { dtype: 'F32', shape: [2, 32, 13], values });
    });
    expect(result).toEqual({
      ...fine,
      holds: false,
      first: 'output.hidden_states.1 has shape [2,32,13], the model gives [2,13,32]',
    });
  });

  it('fails for a missing layer, missing logits, missing learned-sink mass and missing padded logits, by name', async () => {
    for (const name of ['output.attentions.1', 'output.hidden_states.3', 'output.logits', 'padded.logits'])
      expect(await outcome((tensors) => tensors.delete(name))).toEqual({ ...fine, holds: false, missing: [name] });
    const sinks = ['output.sinks.0', 'output.sinks.1', 'output.sinks.2'];
    const gone = (tensors: Map<string, TensorToWrite>) => sinks.forEach((name) => void tensors.delete(name));
    expect(await outcome(gone, bundled('families/gpt_oss'))).toEqual({ ...fine, holds: false, missing: sinks });
  });

  it('a kind that is not there for any layer is not missing', async () => {
    const gone = (tensors: Map<string, TensorToWrite>) => {
      for (const name of [...tensors.keys()]) if (/attn_|hidden/.test(name)) tensors.delete(name);
    };
    expect(await outcome(gone)).toEqual(fine);
  });

  it('fails when nothing is compared', async () => {
    const nothing = (tensors: Map<string, TensorToWrite>) => {
      for (const name of [...tensors.keys()]) if (!name.startsWith('input.')) tensors.delete(name);
    };
    expect(await outcome(nothing)).toEqual({ ...fine, holds: false, missing: ['output.logits'] });
    const allPadding = (tensors: Map<string, TensorToWrite>) =>
      (tensors.get('padded.attention_mask')!.values as BigInt64Array).fill(0n);
    expect(await outcome(allPadding)).toMatchObject({
      holds: false,
      first: 'padded.logits no real position to compare',
    });
  });

  it('fails for a layer too many and for sinks that the model does not have; names what it does not know', async () => {
    const values = new Float32Array(2 * 4 * 13);
    const result = await outcome((tensors) => {
      tensors.set('output.attentions.3', tensors.get('output.attentions.2')!);
      tensors.set('output.sinks.0', { dtype: 'F32', shape: [2, 4, 13], values });
      tensors.set('output.router_logits.0', { dtype: 'F32', shape: [2, 4, 13], values });
    });
    expect(result).toEqual({
      ...fine,
      holds: false,
      misplaced: ['output.attentions.3', 'output.sinks.0'],
      unknown: ['output.router_logits.0'],
    });
  });

  it('refuses a reference without input, and a tolerance that is none', async () => {
    await using model = await open(llama);
    const without = await reference(llama, (tensors) => tensors.delete('input.input_ids'));
    await expect(verify(model, without)).rejects.toThrow(
      'changed.safetensors: expected input.input_ids of shape [B, T], it is missing',
    );
    const noMask = await reference(llama, (tensors) => tensors.delete('padded.attention_mask'));
    await expect(verify(model, noMask)).rejects.toThrow(
      'changed.safetensors: expected padded.attention_mask of shape [B, T], it is missing',
    );
    const good = await reference(llama, () => {});
    await expect(verify(model, good, { tolerance: 0 })).rejects.toThrow('tolerance: expected a positive number, got 0');
  });
});

describe('tolerance', () => {
  it('is relative above 1 and absolute below, and 1e-4 by default', async () => {
    await using model = await open(llama);
    const held = async (by: number) => {
      const file = await reference(llama, (tensors) => {
        const values = tensors.get('output.attn_out.0')!.values as Float32Array;
        values[0] = values[0]! + by;
      });
      return (await verify(model, file, { lowering: 'watched' })).holds;
    };
    expect([await held(0.9e-4), await held(1.6e-4)]).toEqual([true, false]);
  });

  it('the rows of a pattern and the mass on the learned sink sum to one', async () => {
    await using model = await open(bundled('families/gpt_oss'));
    const file = await openReference(join(bundled('families/gpt_oss'), 'expected.safetensors'));
    const { comparisons } = await verify(model, file, { lowering: 'watched' });
    const rows = comparisons.filter(({ kind }) => kind === 'rows + sink');
    expect(rows.map(({ layer, values, holds }) => [layer, values, holds])).toEqual(
      [0, 1, 2].map((layer) => [layer, 2 * 4 * 13, true]),
    );
    expect(Math.max(...rows.map(({ largest }) => largest))).toBeLessThan(1e-6);
  });
});
