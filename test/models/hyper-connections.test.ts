import { describe, expect, it } from 'vitest';
import { scan } from '../../src/measure/scan.ts';
import { run } from '../../src/models/run.ts';
import { multiply } from '../../src/tensor/index.ts';
import { familyFolder, furthest, open, someIds } from './support.ts';

const [compressed, indexed] = [familyFolder('deepseek_v4_compressed')!, familyFolder('hy_v4_heads')!];

describe('several residual streams', () => {
  it('start as the embedding in each, lie side by side, and are read into one of the model width', async () => {
    await using model = await open(indexed);
    const { streams, M } = model.decoder.sizes;
    const capture = [
      'embed.hook_out',
      'blocks.0.hook_resid_mid',
      'blocks.0.ln1.hook_out',
      'blocks.4.hook_out',
    ] as const;
    const { captured } = await run(model, { ids: [someIds(7)] }, { capture, logits: false });
    expect({ streams, M, shapes: capture.map((hook) => captured.get(hook)!.shape) }).toEqual({
      ...{ streams: 3, M: 20 },
      shapes: [
        [1, 7, 60],
        [1, 7, 60],
        [1, 7, 20],
        [1, 7, 60],
      ],
    });
    const first = captured.get('embed.hook_out')!.data as Float32Array;
    for (let t = 0; t < 7; t++)
      for (const stream of [1, 2])
        expect(
          furthest(
            first.subarray(t * 60, t * 60 + 20),
            first.subarray(t * 60 + stream * 20, t * 60 + stream * 20 + 20),
          ),
        ).toBe(0);
  });

  it.each([
    ['deepseek_v4_compressed', compressed],
    ['hy_v4_heads', indexed],
  ])('%s is scanned, the residual of all streams together, in chunks as in one go', async (name, folder) => {
    await using model = await open(folder);
    const page = someIds(20);
    const tokens = page.map((id, position) => ({
      ...({ position, id, text: 'x', role: 'text', class: 'letter' } as const),
    }));
    const whole = await scan(model, { page, tokens });
    const inChunks = await scan(model, { page, tokens }, { chunk: 6 });
    const rates = ({ received }: typeof whole) => received.flat().map((rate) => rate ?? 0);
    expect(furthest(rates(whole), rates(inChunks))).toBeLessThan(1e-5);
    expect(whole.notes.filter((note) => note.includes('compressed'))).toEqual(
      name === 'hy_v4_heads'
        ? []
        : [
            'Layers 1–2 see compressed entries of the text beside its tokens; weights are those of the tokens, and rows lack the share of the entries.',
          ],
    );
  });
});

describe('compressed entries', () => {
  const capture = ['blocks.2.attn.hook_pattern', 'blocks.2.attn.hook_compressed', 'blocks.2.attn.hook_sink'] as const;
  const rowSums = (values: Float32Array) => Array.from({ length: values.length / 13 }, (_, row) => total(values, row));
  const total = (values: Float32Array, row: number) =>
    values.subarray(row * 13, (row + 1) * 13).reduce((sum, weight) => sum + weight, 0);

  it('stand at the last of their tokens, are seen from there on, and make rows whole with tokens and sink', async () => {
    await using model = await open(compressed);
    const { captured } = await run(model, { ids: [someIds(13)] }, { capture, logits: false });
    const [pattern, entries, sink] = capture.map((hook) => captured.get(hook)!.data as Float32Array) as [
      Float32Array,
      Float32Array,
      Float32Array,
    ];
    // Entries of five tokens: the text of 13 has two.
    for (let i = 0; i < entries.length; i++) {
      const [t, s] = [Math.floor(i / 13) % 13, i % 13];
      expect(entries[i]! > 0).toBe((s === 4 || s === 9) && s <= t);
    }
    const sums = rowSums(pattern).map((sum, row) => sum + rowSums(entries)[row]! + sink[row]!);
    expect(
      furthest(
        sums,
        sums.map(() => 1),
      ),
    ).toBeLessThan(1e-5);
  });

  it('are rescaled like the tokens where the mass on the sink is edited', async () => {
    await using model = await open(compressed);
    const edit = { 'blocks.2.attn.hook_sink': (value: never) => multiply(value, 0.5) } as never;
    const { captured } = await run(model, { ids: [someIds(13)] }, { capture, edit, logits: false });
    const [pattern, entries, sink] = capture.map((hook) => captured.get(hook)!.data as Float32Array) as [
      Float32Array,
      Float32Array,
      Float32Array,
    ];
    const [near, far] = [rowSums(pattern), rowSums(entries)];
    const sums = near.map((sum, row) => sum + far[row]! + sink[row]!);
    expect(
      furthest(
        sums,
        sums.map(() => 1),
      ),
    ).toBeLessThan(1e-5);
    expect(Math.max(...far)).toBeGreaterThan(0.05);
  });
});
