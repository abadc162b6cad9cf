import { describe, expect, it } from 'vitest';
import { checkPlan, parseSpanPlan, type SpanPlan, shuffledPlan, uniformPlan } from '../../src/cache/moa/plan.ts';
import { searchSpace, spanOf } from '../../src/cache/moa/rules.ts';
import { bandBlocks, cacheSize, density, seesBlock } from '../../src/cache/moa/spans.ts';
import { full } from '../../src/cache/policies/full.ts';
import { meanSpan, moa, policyFile } from '../../src/cache/policies/moa.ts';
import { streamingLlm } from '../../src/cache/policies/streaming-llm.ts';
import { bundled } from '../fixtures.ts';
import { open, someIds } from '../models/support.ts';
import { masked } from './masked.ts';
import { logitsUnder, worst } from './support.ts';

const plan = (block: number, rules: readonly (readonly (readonly [number, number])[])[]): SpanPlan => ({
  ...{ format: 'sinklab.span-plan/1', block, reading: 'cache' },
  rules: rules.map((heads) => heads.map(([alpha, beta]) => ({ alpha, beta }))),
});

describe('span rules', () => {
  const rules = searchSpace({ shortest: 1024, profiled: 8192, extended: 16384, step: 1024, betas: 9 });
  const has = (alpha: number, beta: number) => rules.some((rule) => rule.alpha === alpha && rule.beta === beta);

  it('are left out where longer than the text or without a span on the shortest', () => {
    expect(has(1024, 1)).toBe(false);
    expect(spanOf({ alpha: -1024, beta: 1 }, 1024)).toBe(0);
    expect(has(-1024, 1)).toBe(false);
    expect(has(0, 1)).toBe(true);
    expect(has(1024, 0.875)).toBe(true);
    expect(has(0, 0)).toBe(false);
    // 1024 + 7/8 · 8192 = 8192 just fits; 2048 + 7/8 · 8192 does not.
    expect(has(2048, 0.875)).toBe(false);
  });

  it('are as many as plain loops count', () => {
    let count = 0;
    for (let a = -1; a <= 8; a++)
      for (let b = 0; b <= 8; b++) if (a + b <= 8 && a + 2 * b <= 16 && 8 * a + b > 0) count++;
    expect(rules).toHaveLength(count);
  });

  it('of impossible sizes are refused', () => {
    expect(() => searchSpace({ shortest: 0 })).toThrow(
      'moa search space: expected shortest to be a whole number from 1, got 0',
    );
    expect(() => searchSpace({ shortest: 9000 })).toThrow('expected shortest ≤ profiled ≤ extended and two betas');
  });
});

describe('masks by blocks', () => {
  it('have the density of the card, with the sink block on top or as a part of the span', () => {
    const rule = { alpha: 128, beta: 0 };
    expect(bandBlocks(rule, 512, { reading: 'mask' })).toBe(2);
    expect(density(rule, 512, { reading: 'mask' })).toBe(3 / 8);
    expect(bandBlocks(rule, 512)).toBe(1);
    expect(density(rule, 512)).toBe(2 / 8);
    expect(cacheSize(rule, 512)).toBe(128);
  });

  it('have as density the largest share of blocks that a row sees', () => {
    for (const reading of ['cache', 'mask'] as const)
      for (const alpha of [-64, 0, 64, 130, 512])
        for (const beta of [0, 0.25, 0.5, 1]) {
          const band = bandBlocks({ alpha, beta }, 512, { reading });
          const rows = Array.from({ length: 8 }, (_, I) => Array.from({ length: 8 }, (_, J) => seesBlock(I, J, band)));
          const most = Math.max(...rows.map((row) => row.filter(Boolean).length));
          expect(density({ alpha, beta }, 512, { reading })).toBe(most / 8);
        }
  });

  it('grow with the text where beta is above 0', () => {
    const rule = { alpha: -64, beta: 0.5 };
    expect([256, 512, 1024].map((length) => cacheSize(rule, length))).toEqual([128, 192, 448]);
  });
});

describe('MoA', () => {
  const ids = someIds(40);
  const uneven = plan(4, [
    [
      [8, 0],
      [0, 0.5],
    ],
    [
      [12, 0],
      [12, 0],
    ],
    [
      [0, 1],
      [-4, 0.5],
    ],
  ]);

  it('with spans of the whole text is full attention', async () => {
    await using model = await open(bundled('families/llama'));
    const dense = moa({ plan: uniformPlan(model.decoder.sizes, { alpha: 0, beta: 1 }, { block: 4 }), length: 40 });
    const expected = await logitsUnder(model, full({ capacity: 40 }), ids, 16);
    expect(worst(await logitsUnder(model, dense, ids, 16), expected)).toBeLessThan(1e-5);
  });

  it('with one span for all heads is sinks and a window', async () => {
    await using model = await open(bundled('families/llama'));
    const uniform = moa({ plan: uniformPlan(model.decoder.sizes, { alpha: 12, beta: 0 }, { block: 4 }), length: 40 });
    const window = streamingLlm({ sinks: 4, recent: 8, positions: 'absolute' });
    const expected = await logitsUnder(model, window, ids, 16);
    expect(worst(await logitsUnder(model, uniform, ids, 16), expected)).toBeLessThan(1e-5);
    const narrower = streamingLlm({ sinks: 4, recent: 7, positions: 'absolute' });
    expect(worst(await logitsUnder(model, narrower, ids, 16), expected)).toBeGreaterThan(1e-3);
  });

  it.each(['token', 'block'] as const)(
    'masks every head as its rule says, by %s, in chunks and one by one',
    async (granularity) => {
      await using model = await open(bundled('families/llama'));
      const policy = moa({ plan: uneven, length: 40, granularity });
      const recent = [
        [4, 16],
        [8, 8],
        [36, 12],
      ];
      const expected = await masked(model, ids, (layer, g, t, s) => {
        const entries = recent[layer]![g]!;
        if (granularity === 'token') return s < 4 || t - s <= entries;
        return seesBlock(Math.floor(t / 4), Math.floor(s / 4), entries / 4);
      });
      for (const chunk of [1, 7, 40])
        expect(worst(await logitsUnder(model, policy, ids, chunk), expected)).toBeLessThan(1e-4);
    },
  );

  it('keeps memory of the spans, tables shared by heads of one span', async () => {
    await using model = await open(bundled('families/llama'));
    const { tables, layers } = moa({ plan: uneven, length: 40 }).layout(model.decoder.sizes);
    expect(tables).toEqual([4, 8, 12, 16, 36].map((entries) => ({ pinned: 4, entries })));
    expect(layers[0]).toEqual([
      { heads: [0], table: 0 },
      { heads: [1], table: 3 },
    ]);
    expect(layers[1]).toEqual([{ table: 1 }]);
    expect(meanSpan(uneven, 40)).toBe((8 + 20 + 12 + 12 + 40 + 16) / 6);
  });

  it('refuses plans of another model, and lengths that are none', async () => {
    await using model = await open(bundled('families/llama'));
    expect(() => moa({ plan: plan(4, [[[8, 0]]]), length: 40 }).layout(model.decoder.sizes)).toThrow(
      'moa: expected a plan of 3 layers of 2 key/value heads, got 1 of 1',
    );
    expect(() => moa({ plan: uneven, length: 0 })).toThrow('moa: expected length to be a whole number from 1, got 0');
  });

  it('by name has one span for all heads, or those of a plan within the capacity', async () => {
    await using model = await open(bundled('families/llama'));
    const { sizes } = model.decoder;
    const of = policyFile.make({ capacity: 12, sinks: 4, sizes }).layout(sizes);
    expect(of.tables).toEqual([{ pinned: 4, entries: 8 }]);
    expect(policyFile.make({ capacity: 12, sizes }).name).toBe('moa: 3 + 9');
    expect(policyFile.make({ capacity: 128, sinks: 0, sizes }).name).toBe('moa: 0 + 128');
    // At 24 tokens the spans are 8, 12, 12, 12, 24 and 8, at 28 they are 8, 16, 12, 12, 28 and 12.
    const told = policyFile.make({ capacity: 13, sizes, plan: JSON.parse(JSON.stringify(uneven)) });
    expect(told.name).toBe('moa: 4 + 4 to 20, mean 13 at 24');
    expect(() => policyFile.make({ capacity: 4, sizes, plan: uneven })).toThrow(
      "moa: the plan's spans are 8 tokens on average at the least, and the capacity is 4",
    );
    expect(() => policyFile.make({ capacity: 8, sizes, plan: { ...uneven, block: 0 } })).toThrow('span plan: block:');
  });
});

describe('a plan', () => {
  const one = plan(64, [
    [
      [64, 0],
      [128, 0],
      [0, 0.5],
    ],
    [
      [64, 0],
      [64, 0],
      [64, 0],
    ],
  ]);

  it('is plain JSON, and checked when it is read', () => {
    expect(parseSpanPlan(JSON.parse(JSON.stringify(one)))).toEqual(one);
    const damaged = { ...one, rules: [[{ alpha: 64, beta: 2 }]] };
    expect(() => parseSpanPlan(damaged, 'plan.json')).toThrow(
      'plan.json: rules.0.0.beta: Too big: expected number to be <=1',
    );
    expect(() => parseSpanPlan('no plan')).toThrow('span plan: the plan: ');
    expect(() => parseSpanPlan({ ...one, more: 1 })).toThrow('Unrecognized key: "more"');
    expect(() => checkPlan(one, { L: 2, G: 4 })).toThrow(
      'expected a plan of 2 layers of 4 key/value heads, got 2 of 3',
    );
  });

  it('is shuffled inside layers, which all change that can', () => {
    for (const seed of [1, 2, 3]) {
      const other = shuffledPlan(one, seed);
      const names = ({ rules }: SpanPlan) => rules.map((heads) => heads.map(({ alpha, beta }) => `${alpha} ${beta}`));
      expect(names(other)[0]).not.toEqual(names(one)[0]);
      expect(names(other).map((heads) => heads.sort())).toEqual(names(one).map((heads) => heads.sort()));
      expect(shuffledPlan(one, seed)).toEqual(other);
    }
  });
});
