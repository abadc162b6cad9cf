import { describe, expect, it } from 'vitest';
import { openLocal } from '../../src/load/open-local.ts';
import { describeFrames } from '../../src/load/token-roles.ts';
import { scan } from '../../src/measure/scan.ts';
import { createModel } from '../../src/models/model.ts';
import { run } from '../../src/models/run.ts';
import { nodeRuntime } from '../../src/runtime/node.ts';
import { fixtures } from '../fixtures.ts';
import { ids, mean, off, tokensOf } from './support.ts';

const folder = fixtures();

describe.skipIf(folder === undefined)('a scan of attention to a memory (needs the shared fixtures)', () => {
  const [T, S] = [9, 14];
  const page = ids(T);
  const open = async () => {
    const checkpoint = await openLocal(`${folder}/families/whisper`);
    const model = createModel({ checkpoint, runtime: nodeRuntime({ threads: 1 }), part: 'decoder' });
    const { M } = model.stack.sizes;
    const values = Float32Array.from({ length: S * M }, (_, i) => Math.sin(i * 0.7) + Math.cos(i * i * 0.03));
    const memory = { values, shape: [1, S, M] as const };
    return { model, input: { page: { ids: [page], memory }, tokens: tokensOf(page), keys: describeFrames(S, 0.02) } };
  };

  it('equals plain loops over captured patterns, in chunks of every size; uniform attention gives 1 / S', async () => {
    const { model, input } = await open();
    await using _ = model;
    const { H, L } = model.stack.sizes;
    const hook = 'blocks.*.cross_attn.hook_pattern';
    const { captured } = await run(model, input.page, { capture: [hook], logits: false });
    // [L][H][T][S]
    const patterns = Array.from({ length: L }, (_, l) => {
      const { data } = captured.get(`blocks.${l}.cross_attn.hook_pattern`)!;
      const row = (h: number, t: number) => Array.from(data.slice((h * T + t) * S, (h * T + t + 1) * S), Number);
      return Array.from({ length: H }, (_, h) => Array.from({ length: T }, (_, t) => row(h, t)));
    });
    const each = patterns.map((heads) =>
      heads.map((rows) => Array.from({ length: S }, (_, s) => mean(rows.map((row) => row[s]!)))),
    );
    for (const chunk of [1, 4, 64]) {
      const { cross } = (await scan(model, input, { chunk, patterns: 8 })).page;
      const received = each.map((heads) => Array.from({ length: S }, (_, s) => mean(heads.map((keys) => keys[s]!))));
      expect(off(cross!.received, received)).toBeLessThan(1e-6);
      const sums = Array.from({ length: S }, (_, s) => mean(received.map((keys) => keys[s]!)));
      expect(cross!.top).toBe(sums.indexOf(Math.max(...sums)));
      expect(
        off(
          cross!.topKey,
          each.map((heads) => heads.map((keys) => keys[cross!.top]!)),
        ),
      ).toBeLessThan(1e-6);
      const entropy = cross!.measured.find(({ name }) => name === 'entropy')!;
      expect(off(entropy.baseline, Array(L).fill(Math.log(S)))).toBeLessThan(1e-12);
      const rows = patterns.map((heads) =>
        mean(heads.flat().map((row) => -row.reduce((sum, p) => sum + p * Math.log(p), 0))),
      );
      expect(entropy.kind === 'curves' && off(entropy.series[0]!.values, rows)).toBeLessThan(1e-5);
      // 4 · 8² cells hold all 9 queries of 14 keys.
      expect(cross!.patterns.map(({ layer, head, T, S }) => [layer, head, T, S])).toEqual(
        patterns.flatMap((heads, l) => heads.map((_, h) => [l, h, T, S])),
      );
      for (const { layer, head, values } of cross!.patterns) {
        const bytes = Array.from(atob(values), (character) => character.charCodeAt(0) / 255);
        expect(off(bytes, patterns[layer]![head]!.flat())).toBeLessThanOrEqual(0.5 / 255 + 1e-6);
      }
    }
  });

  it('is made only where the positions of the memory are described, all of them', async () => {
    const { model, input } = await open();
    await using _ = model;
    const { keys, ...plain } = input;
    const [whole, without] = [await scan(model, input), await scan(model, plain)];
    expect(whole.page.cross?.keys).toEqual(keys);
    expect(without.page.cross).toBeUndefined();
    expect(off(whole.page.received, without.page.received)).toBeLessThan(1e-6);
    await expect(scan(model, { ...input, keys: keys.slice(1) })).rejects.toThrow(
      'scan: expected a description of each of 14 positions of the memory, got 13',
    );
  });
});
