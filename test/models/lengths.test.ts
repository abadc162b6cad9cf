import { describe, expect, it } from 'vitest';
import { run } from '../../src/models/run.ts';
import { furthest, kinds, logitsOf, open, someIds } from './support.ts';

describe.each(kinds)('%s', (_, folder) => {
  it('the watched and the fast lowering agree to 1e-5 in texts of 1, 2, 13 and 21 tokens', async () => {
    await using model = await open(folder);
    for (const length of [1, 2, 13, 21]) {
      const batch = { ids: [someIds(length), someIds(length, 5)] };
      expect({
        length,
        far: furthest(await logitsOf(model, batch, true), await logitsOf(model, batch)) < 1e-5,
      }).toEqual({ length, far: true });
    }
  });

  it.each([true, false])('a batch equals its rows one by one (watched: %s)', async (watched) => {
    await using model = await open(folder);
    const rows = [someIds(13), someIds(13, 5), someIds(13, 8)];
    const together = await logitsOf(model, { ids: rows }, watched);
    const alone = await Promise.all(rows.map((row) => logitsOf(model, { ids: [row] }, watched)));
    const size = together.length / rows.length;
    alone.forEach((one, b) => {
      expect(furthest(together.subarray(b * size, (b + 1) * size), one)).toBeLessThan(1e-5);
    });
  });

  it.each(['left', 'right'] as const)(
    'padding on the %s changes no real position: logits, patterns and values',
    async (padding) => {
      await using model = await open(folder);
      const rows = [someIds(13), someIds(9, 5), someIds(1, 8)];
      const capture = ['blocks.*.attn.hook_pattern', 'blocks.*.hook_out'] as const;
      const { V, M, H, L } = model.decoder.sizes;
      for (const watched of [true, false]) {
        const options = watched ? { capture } : {};
        const padded = await run(model, { ids: rows, padding }, options);
        for (const [b, row] of rows.entries()) {
          const alone = await run(model, { ids: [row] }, options);
          const start = padding === 'left' ? 13 - row.length : 0;
          const cut = (data: Float32Array, width: number) =>
            data.subarray((b * 13 + start) * width, (b * 13 + start + row.length) * width);
          expect(
            furthest(cut(padded.logits!.data as Float32Array, V), alone.logits!.data as Float32Array),
          ).toBeLessThan(2e-5);
          if (!watched) continue;
          for (let layer = 0; layer < L; layer++) {
            const of = (result: typeof alone, hook: 'attn.hook_pattern' | 'hook_out') =>
              result.captured.get(`blocks.${layer}.${hook}`)!.data as Float32Array;
            expect(furthest(cut(of(padded, 'hook_out'), M), of(alone, 'hook_out'))).toBeLessThan(2e-5);
            for (let h = 0; h < H; h++)
              for (let t = 0; t < row.length; t++) {
                const from = ((b * H + h) * 13 + start + t) * 13;
                const ours = of(padded, 'attn.hook_pattern').subarray(from, from + 13);
                const whole = new Float32Array(13);
                whole.set(
                  of(alone, 'attn.hook_pattern').subarray(
                    (h * row.length + t) * row.length,
                    (h * row.length + t + 1) * row.length,
                  ),
                  start,
                );
                expect(furthest(ours, whole)).toBeLessThan(1e-5);
              }
          }
        }
      }
    },
  );
});
