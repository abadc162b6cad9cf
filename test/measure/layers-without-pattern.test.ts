import { describe, expect, it } from 'vitest';
import { openLocal } from '../../src/load/open-local.ts';
import type { Measured } from '../../src/measure/result.ts';
import { scan } from '../../src/measure/scan.ts';
import { describeModel, scanResult } from '../../src/measure/scan-result.ts';
import { createModel, type Model, replaced } from '../../src/models/model.ts';
import { writeJson } from '../../src/report/json.ts';
import { parseScanResult } from '../../src/report/parse.ts';
import { nodeRuntime } from '../../src/runtime/node.ts';
import { fixtures } from '../fixtures.ts';
import { ids, inputOf, mean, openBundled } from './support.ts';

/** The model with layer 1 said to read a state. */
function withoutPattern(model: Model, layers = [1]): Model {
  const { stack } = model;
  const blocks = stack.blocks.map((block, layer) =>
    layers.includes(layer) ? { ...block, rows: 'none' as const } : block,
  );
  return replaced(model, { stack: { ...stack, blocks } });
}
const input = () => inputOf(ids(70), [ids(66)]);

describe('a layer without an attention pattern', () => {
  it('is null in every map, and the other layers are as they were', async () => {
    await using model = await openBundled('llama');
    const options = { epsilons: [0.07], patterns: 4, controls: true };
    const whole = await scan(model, input(), options);
    const found = await scan(withoutPattern(model), input(), options);
    const less = <T>(rows: readonly T[]) => rows.map((row, l) => (l === 1 ? null : row));
    expect(found.alpha).toEqual(less(whole.alpha));
    expect(found.received).toEqual(less(whole.received));
    expect(found.uniform).toEqual(less(whole.uniform));
    expect(found.page.received).toEqual(less(whole.page.received));
    expect(found.page.uniform).toEqual(less(whole.page.uniform));
    expect(found.page.topSink[1]).toBeNull();
    expect(found.page.patterns).toEqual(whole.page.patterns.filter(({ layer }) => layer !== 1));
    for (const { received } of found.controls)
      expect(received.map((row) => row === null)).toEqual([false, true, false]);
    const share = mean([0, 2].flatMap((l) => whole.alpha[l]!.map((value) => (value > 0.07 ? 1 : 0))));
    expect(found.sinkRates[0]!.rate.mean).toBeCloseTo(share, 12);
    expect(found.sinkRates[0]!.rate.mean).not.toBe(whole.sinkRates[0]!.rate.mean);
    expect(found.notes.at(-1)).toBe(
      'Layer 1 reads a state and has no attention pattern: the heads are n/a there, and sink rates are over the heads of layers 0 and 2. Residuals are measured in all layers.',
    );
  });

  it('has its residual measured, and nothing of what is made from queries and keys', async () => {
    await using model = await openBundled('llama');
    const [whole, found] = [await scan(model, input()), await scan(withoutPattern(model), input())];
    expect(found.page.curves).toEqual(whole.page.curves);
    const gaps = (one: Measured) => {
      const rows = one.kind === 'map' ? [one.values] : one.series.map(({ values }) => values);
      const baseline = typeof one.baseline === 'string' ? [] : [one.baseline];
      return [...rows, ...baseline].map((row) => row.map((value) => value === null));
    };
    for (const one of found.page.measured) {
      const own = one.name !== 'residual-norms';
      for (const row of gaps(one)) expect(row, one.title).toEqual([false, own, false]);
    }
  });

  it('is null in the JSON, which is read back alike, and refused where only some maps have it', async () => {
    await using model = await openBundled('llama');
    const hybrid = withoutPattern(model);
    const { page, tokens } = input();
    const result = scanResult(await scan(hybrid, { page, tokens }), {
      ...{ sinklab: '0', model: describeModel(hybrid, 'hybrid', []) },
      input: { bos: 'none', bosAdded: false, firstIds: [], source: 'test', page: [...tokens] },
      run: { runtime: 'r', device: 'cpu', threads: 1, seconds: 1, peakBytes: 1 },
    });
    const json = writeJson(result);
    expect(writeJson(parseScanResult(json))).toBe(json);
    expect(result.summary[0]).toMatch(/ heads with a pattern /);
    const torn = structuredClone(result);
    torn.alpha[1] = torn.alpha[0]!;
    expect(() => writeJson(torn)).toThrow('scan result: alpha[1]: expected null, as received, found values');
  });

  it('is refused where it is every layer', async () => {
    await using model = await openBundled('llama');
    await expect(scan(withoutPattern(model, [0, 1, 2]), input())).rejects.toThrow(
      'scan: every layer of llama reads a state; without an attention pattern in some layer there is no sink to measure',
    );
  });

  const folder = fixtures();
  it.skipIf(folder === undefined).each(['qwen3_next', 'qwen3_5', 'lfm3'])(
    '%s: the hybrid is scanned in chunks of any size (needs the shared fixtures)',
    async (family) => {
      const checkpoint = await openLocal(`${folder}/families/${family}`);
      await using model = createModel({ checkpoint, runtime: nodeRuntime({ threads: 1 }) });
      const [first, second] = [await scan(model, input(), { chunk: 7 }), await scan(model, input(), { chunk: 256 })];
      const state = model.stack.blocks.map(({ rows }) => rows === 'none');
      expect(state).toContain(true);
      expect(first.received.map((row) => row === null)).toEqual(state);
      first.received.flat().forEach((value, i) => {
        if (value !== null) expect(value).toBeCloseTo(second.received.flat()[i]!, 5);
      });
      expect(first.page.curves.median.every((median) => median > 0)).toBe(true);
    },
  );
});
