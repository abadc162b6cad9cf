import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import type { TensorToWrite } from '../../src/load/write-safetensors.ts';
import { writeSafetensors } from '../../src/load/write-safetensors-node.ts';
import { bicubicWeights } from '../../src/models/parts/position-table.ts';
import { run } from '../../src/models/run.ts';
import { furthest, open } from './support.ts';

describe('bicubic weights equal those of PyTorch 2.13', () => {
  it.each([
    [4, 6, false, 2, [-0.086805556, 0.943287037, 0.16087963, -0.017361111]],
    [4, 6, false, 0, [1.086805556, -0.086805556, 0, 0]],
    [4, 6, true, 0, [1.065789474, -0.065789474, 0, 0]],
    [4, 6, true, 1, [0.529411765, 0.529411765, -0.058823529, 0]],
    [5, 2, false, 0, [0.2265625, 0.87890625, -0.10546875, 0, 0]],
    [5, 2, true, 1, [-0.031283252, 0.029155139, 0.239412641, 0.415620345, 0.347095127]],
  ])('from %d to %d, antialias %s, row %d', (from, to, antialias, row, expected) => {
    expect(furthest(bicubicWeights(from, to, antialias)[row]!, expected)).toBeLessThan(1e-9);
  });

  it('of a table of 37 to 16 patches, as DINOv2 has for pictures of 224 pixels', () => {
    const plain = bicubicWeights(37, 16, false)[0]!;
    expect(furthest(plain.slice(0, 4), [0.326126099, 0.78490448, -0.111030579, 0])).toBeLessThan(1e-9);
    const wide = bicubicWeights(37, 16, true)[0]!;
    const expected = [0.387186379, 0.441450665, 0.209256188, -0.003056489, -0.031816962, -0.003019781, 0];
    expect(furthest(wide.slice(0, 7), expected)).toBeLessThan(1e-9);
  });

  it('sum to one in every row', () => {
    for (const antialias of [false, true])
      for (const row of [...bicubicWeights(37, 16, antialias), ...bicubicWeights(16, 37, antialias)])
        expect(row.reduce((a, b) => a + b, 0)).toBeCloseTo(1, 12);
  });
});

/** A layer of DINOv2 of width 8 with a table for pictures of 518 pixels, whose weights are sines. */
async function sineModel(family: 'dinov2' | 'dinov2_with_registers') {
  const registers = family === 'dinov2' ? 0 : 2;
  const layer = (name: string) => `encoder.layer.0.${name}`;
  const linear = (name: string, out: number, from: number): [string, number[]][] => [
    [`${name}.weight`, [out, from]],
    [`${name}.bias`, [out]],
  ];
  const norm = (name: string): [string, number[]][] => [
    [`${name}.weight`, [8]],
    [`${name}.bias`, [8]],
  ];
  const shapes: [string, number[]][] = [
    ['embeddings.cls_token', [1, 1, 8]],
    ['embeddings.mask_token', [1, 8]],
    ['embeddings.patch_embeddings.projection.weight', [8, 3, 14, 14]],
    ['embeddings.patch_embeddings.projection.bias', [8]],
    ['embeddings.position_embeddings', [1, 1370, 8]],
    ...(registers > 0 ? ([['embeddings.register_tokens', [1, registers, 8]]] as [string, number[]][]) : []),
    ...['query', 'key', 'value'].flatMap((one) => linear(layer(`attention.attention.${one}`), 8, 8)),
    ...linear(layer('attention.output.dense'), 8, 8),
    [layer('layer_scale1.lambda1'), [8]],
    [layer('layer_scale2.lambda1'), [8]],
    ...linear(layer('mlp.fc1'), 16, 8),
    ...linear(layer('mlp.fc2'), 8, 16),
    ...norm(layer('norm1')),
    ...norm(layer('norm2')),
    ...norm('layernorm'),
  ];
  shapes.sort(([a], [b]) => (a < b ? -1 : 1));
  const tensors = new Map<string, TensorToWrite>();
  shapes.forEach(([name, shape], i) => {
    const near = (/norm/.test(name) && name.endsWith('weight')) || name.includes('lambda') ? 1 : 0;
    const length = shape.reduce((a, b) => a * b, 1);
    const values = Float32Array.from({ length }, (_, k) => 0.4 * Math.sin(1.7 * k + i) + near);
    tensors.set(name, { dtype: 'F32', shape, values });
  });
  const folder = await mkdtemp(join(tmpdir(), 'sinklab-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  await writeSafetensors(join(folder, 'model.safetensors'), tensors);
  const sizes = { hidden_size: 8, num_hidden_layers: 1, num_attention_heads: 2, mlp_ratio: 2 };
  const pictures = { image_size: 518, patch_size: 14, ...(registers > 0 ? { num_register_tokens: registers } : {}) };
  await writeFile(join(folder, 'config.json'), JSON.stringify({ model_type: family, ...sizes, ...pictures }));
  return open(folder);
}

// As transformers 5.23 has them for the same weights and pictures.
describe.each([
  {
    family: 'dinov2' as const,
    registers: 0,
    square: {
      first: [0.600766122, 0.183275446, -0.620076001],
      last: [0.360772848, -0.136775672, -0.021773338],
      pooled: [-1.56584084, 0.640175343, 2.468916416, -0.07883425],
      received: [0.258213669, 0.084339768],
    },
    tall: {
      first: [-1.052504063, -3.950287581, -5.565908909],
      last: [2.719823837, -1.203260303, -3.559440374],
      pooled: [-1.662950873, 0.038021736, 2.284064054, 0.072452508],
      received: [0.071755253, 0.025992237],
    },
  },
  {
    family: 'dinov2_with_registers' as const,
    registers: 2,
    square: {
      first: [0.714060128, 0.10664247, -0.71362251],
      last: [0.478608787, -0.205024764, -0.122022271],
      pooled: [-1.714218974, 1.585586309, 1.47614193, -0.904314518],
      received: [0.066652067, 0.18880631],
    },
    tall: {
      first: [-1.30645299, -4.118376732, -5.268645287],
      last: [2.730585337, -0.882730961, -3.652798891],
      pooled: [-1.869198084, 1.309647679, 1.447179198, -0.680729747],
      received: [0.043104805, 0.06753917],
    },
  },
])('$family with a table for 518 pixels', ({ family, registers, square, tall }) => {
  it.each([
    ['224 × 224', 224, 224, square],
    ['224 × 112', 224, 112, tall],
  ] as const)('reads pictures of %s pixels', async (_, Y, X, expected) => {
    await using model = await sineModel(family);
    const pixels = Float32Array.from({ length: 3 * Y * X }, (_, k) => Math.sin(0.013 * k));
    const capture = ['embed.hook_out', 'blocks.0.attn.hook_pattern'] as const;
    const { captured, outputs } = await run(model, { pixels, shape: [1, 3, Y, X] }, { capture });
    const stream = captured.get('embed.hook_out')!;
    const T = 1 + registers + (Y / 14) * (X / 14);
    expect(stream.shape).toEqual([1, T, 8]);
    const vector = (position: number) => (stream.data as Float32Array).subarray(position * 8, position * 8 + 3);
    expect(furthest(vector(1 + registers), expected.first)).toBeLessThan(1e-5);
    expect(furthest(vector(T - 1), expected.last)).toBeLessThan(1e-5);
    expect(furthest((outputs.get('pooler_output')!.data as Float32Array).subarray(0, 4), expected.pooled)).toBeLessThan(
      1e-4,
    );
    const pattern = captured.get('blocks.0.attn.hook_pattern')!.data as Float32Array;
    const received = [0, 1].map((h) => {
      let sum = 0;
      for (let t = 0; t < T; t++) sum += pattern[(h * T + t) * T]!;
      return sum / T;
    });
    expect(furthest(received, expected.received)).toBeLessThan(1e-5);
  });
});
