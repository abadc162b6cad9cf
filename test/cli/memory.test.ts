import { mkdir, mkdtemp, open, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { sinklab } from './terminal.ts';

/** A checkpoint with no bytes on disk but its header's: a Llama whose one layer has 54 · 10⁹ parameters. */
const [M, F, V] = [65_536, 229_376, 32_000];

let folder = '';
beforeAll(async () => {
  folder = join(await mkdtemp(join(tmpdir(), 'sinklab-')), 'huge');
  await mkdir(folder);
  const config = {
    ...{ model_type: 'llama', hidden_size: M, intermediate_size: F, vocab_size: V, num_hidden_layers: 1 },
    ...{ num_attention_heads: 128, num_key_value_heads: 8, rms_norm_eps: 1e-5, hidden_act: 'silu' },
  };
  await writeFile(join(folder, 'config.json'), JSON.stringify(config));
  const [layer, G] = ['model.layers.0.', (M / 128) * 8];
  const shapes: [string, number[]][] = [
    ['model.embed_tokens.weight', [V, M]],
    ['lm_head.weight', [V, M]],
    ['model.norm.weight', [M]],
    ...['q', 'o'].map((name): [string, number[]] => [`${layer}self_attn.${name}_proj.weight`, [M, M]]),
    ...['k', 'v'].map((name): [string, number[]] => [`${layer}self_attn.${name}_proj.weight`, [G, M]]),
    ...['gate', 'up'].map((name): [string, number[]] => [`${layer}mlp.${name}_proj.weight`, [F, M]]),
    [`${layer}mlp.down_proj.weight`, [M, F]],
    [`${layer}input_layernorm.weight`, [M]],
    [`${layer}post_attention_layernorm.weight`, [M]],
  ];
  let end = 0;
  const entries = shapes.map(([name, shape]) => {
    const start = end;
    end += 2 * shape.reduce((a, b) => a * b, 1);
    return [name, { dtype: 'BF16', shape, data_offsets: [start, end] }];
  });
  const json = Buffer.from(JSON.stringify(Object.fromEntries(entries)));
  const header = Buffer.concat([json, Buffer.alloc((8 - (json.length % 8)) % 8, ' ')]);
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(header.length));
  const file = await open(join(folder, 'model.safetensors'), 'w');
  await file.write(Buffer.concat([length, header]));
  await file.truncate(8 + header.length + end);
  await file.close();
});
afterAll(() => rm(join(folder, '..'), { recursive: true, force: true }));

describe('a checkpoint of 117 GB', () => {
  it('is described without reading its weights', async () => {
    const { code, out } = await sinklab('info', folder);
    expect(code).toBe(0);
    expect(out.replace(/\s+/g, ' ')).toContain('stored 117 GB as BF16');
  });

  it('is not scanned where it cannot fit: the figure is told before anything is read', async () => {
    const { code, err } = await sinklab('scan', folder, '--ids', '1,2,3,4');
    expect(code).toBe(1);
    expect(err).toMatch(
      /^sinklab: memory: this scan takes about 434 GB, this machine has [\d.]+ .B; scan a shorter text/m,
    );
  });
});
