import { describe, expect, it } from 'vitest';
import { openLocal } from '../../src/load/open-local.ts';
import { columnSums, turnedQueries } from '../../src/measure/reductions.ts';
import { rectangle } from '../../src/models/input.ts';
import { Layerwise } from '../../src/models/layerwise.ts';
import { createModel } from '../../src/models/model.ts';
import { run } from '../../src/models/run.ts';
import { nodeRuntime } from '../../src/runtime/node.ts';
import { familyFolder } from './support.ts';

const title = (family: string) =>
  `residual streams, column sums, keys and values equal the whole graph's, in chunks of every size${family === 'mimo_v2_flash' ? ' (needs the shared fixtures)' : ''}`;

describe('layer by layer', () => {
  for (const family of ['llama', 'gpt_oss', 'gemma3', 'gpt2', 'mimo_v2_flash'])
    it.skipIf(familyFolder(family) === undefined)(`${family}: ${title(family)}`, async () => {
      await using model = createModel({
        checkpoint: await openLocal(familyFolder(family)!),
        runtime: nodeRuntime({ threads: 1 }),
      });
      const ids = Array.from({ length: 13 }, (_, i) => (i * 7 + 3) % 97);
      const { captured } = await run(
        model,
        { ids: [ids] },
        {
          capture: [
            ...(['blocks.*.attn.hook_pattern', 'blocks.*.hook_out', 'blocks.*.attn.hook_rot_q'] as const),
            ...(['blocks.*.attn.hook_rot_k', 'blocks.*.attn.v.hook_out'] as const),
          ],
          logits: false,
        },
      );
      for (const chunk of [1, 4, 13, 64]) {
        const engine = new Layerwise(model, { reduce: { columnSums, turnedQueries }, chunk });
        for await (const { layer, residual, reduced, k, v } of engine.run([
          rectangle({ ids: [ids] }, model.decoder.sizes),
        ])) {
          const pattern = captured.get(`blocks.${layer}.attn.hook_pattern`)!.data as Float32Array;
          const H = model.decoder.sizes.H;
          const expected = new Float64Array(H * 13);
          for (let h = 0; h < H; h++)
            for (let t = 0; t < 13; t++)
              for (let s = 0; s < 13; s++) expected[h * 13 + s]! += pattern[(h * 13 + t) * 13 + s]!;
          const off = (a: ArrayLike<number>, b: ArrayLike<number>) =>
            Math.max(...Array.from(b, (x, i) => Math.abs(x - a[i]!)));
          expect(off(reduced.columnSums!.data, expected)).toBeLessThan(1e-5);
          expect(off(residual, captured.get(`blocks.${layer}.hook_out`)!.data as Float32Array)).toBeLessThan(1e-4);
          expect(
            off(reduced.turnedQueries!.data, captured.get(`blocks.${layer}.attn.hook_rot_q`)!.data as Float32Array),
          ).toBeLessThan(1e-4);
          for (const [hook, values] of [
            ['attn.hook_rot_k', k],
            ['attn.v.hook_out', v],
          ] as const)
            expect(off(values, captured.get(`blocks.${layer}.${hook}`)!.data as Float32Array)).toBeLessThan(1e-4);
        }
      }
    });
});
