import { describe, expect, it } from 'vitest';
import { openFile } from '../../src/load/bytes-node.ts';
import { openLocal } from '../../src/load/open-local.ts';
import { openSafetensorsFile } from '../../src/load/safetensors-file.ts';
import { loss } from '../../src/models/loss.ts';
import { createModel } from '../../src/models/model.ts';
import { nodeRuntime } from '../../src/runtime/node.ts';
import { equal, iota, select, size } from '../../src/tensor/index.ts';
import { bundled } from '../fixtures.ts';

const open = async () =>
  createModel({ checkpoint: await openLocal(bundled('families/llama')), runtime: nodeRuntime({ threads: 1 }) });

/** The batch of the reference, and −ln softmax of its logits at the next token. */
async function reference() {
  const file = await openSafetensorsFile(await openFile(bundled('families/llama/expected.safetensors')));
  const logits = await file.read('output.logits');
  const flat = Array.from(await file.read('input.input_ids'));
  await file.close();
  const [B, T] = [2, flat.length / 2];
  const V = logits.length / (B * T);
  const ids = [flat.slice(0, T), flat.slice(T)];
  const nll = ids.map((row, b) =>
    row.slice(1).map((next, t) => {
      const at = logits.subarray((b * T + t) * V, (b * T + t + 1) * V);
      return Math.log(at.reduce((sum, x) => sum + Math.exp(x), 0)) - at[next]!;
    }),
  );
  return { ids, nll };
}

describe('loss', () => {
  it('is −ln p of each next token under the reference logits, and their mean', async () => {
    const { ids, nll } = await reference();
    await using model = await open();
    const found = await loss(model, { ids });
    for (const [b, row] of nll.entries())
      for (const [t, value] of row.entries()) expect(found.perToken[b]![t]).toBeCloseTo(value, 4);
    const all = nll.flat();
    expect(found.tokens).toBe(all.length);
    expect(found.mean).toBeCloseTo(all.reduce((a, b) => a + b, 0) / all.length, 4);
    expect(found.perplexity).toBeCloseTo(Math.exp(found.mean), 10);
  });

  it('leaves padding out: a padded text has the loss that it has alone', async () => {
    const { ids, nll } = await reference();
    await using model = await open();
    const short = ids[1]!.slice(0, 6);
    const found = await loss(model, { ids: [ids[0]!, short], padding: 'left' });
    expect(found.tokens).toBe(nll[0]!.length + 5);
    expect(Array.from(found.perToken[1]!.slice(0, -5))).toEqual(Array(nll[1]!.length - 5).fill(Number.NaN));
    for (const [t, value] of nll[1]!.slice(0, 5).entries()) expect(found.perToken[1]!.at(t - 5)).toBeCloseTo(value, 4);
  });

  it('changes when the value of the first token is removed in every layer, and not when it is replaced by itself', async () => {
    const { ids } = await reference();
    await using model = await open();
    const plain = await loss(model, { ids });
    const same = await loss(
      model,
      { ids },
      { edit: { 'blocks.*.attn.v.hook_out': (v) => select(equal(iota('S', size(v, 'S')), 0), v, v) } },
    );
    const removed = await loss(
      model,
      { ids },
      {
        edit: { 'blocks.*.attn.v.hook_out': (v) => select(equal(iota('S', size(v, 'S')), 0), 0, v) },
      },
    );
    expect(same.mean).toBe(plain.mean);
    expect(Math.abs(removed.mean - plain.mean)).toBeGreaterThan(0.01);
  });

  it('refuses texts of one token', async () => {
    await using model = await open();
    await expect(loss(model, { ids: [[3]] })).rejects.toThrow('loss: expected at least one text of two tokens');
  });
});
