import { describe, expect, it } from 'vitest';
import { canonicalHook, type HookName, hookOrder, hookOrders } from '../../src/models/hook-names.ts';
import type { Edits } from '../../src/models/hooks.ts';
import { run } from '../../src/models/run.ts';
import { hookShapes } from '../../src/models/trace-hooks.ts';
import { add, constant, equal, iota, multiply, select, type Tensor } from '../../src/tensor/index.ts';
import { furthest, kinds, open, someIds } from './support.ts';

const places = (names: readonly string[]) => new Set(names.map((name) => name.replace(/^blocks\.\d+\./, '')));
const batch = { ids: [someIds(13), someIds(13, 5)] };

/** Hook points that a family lacks, where they are not those that most lack. */
const without: Record<string, string[]> = {
  gpt_oss: [
    ...['attn.hook_index_scores', 'attn.hook_compressed', 'attn.hook_gate'],
    ...['mlp.hook_pre', 'mlp.hook_post'],
  ],
  deepseek_v4_compressed: ['attn.hook_gate', 'mlp.hook_pre', 'mlp.hook_post'],
  hy_v4_heads: ['attn.hook_compressed'],
};
/** Hook points that a family has in some layers. */
const inSomeLayers: Record<string, RegExp> = {
  deepseek_v4_compressed: /attn\.hook_(compressed|index_scores)$/,
  hy_v4_heads: /mlp\.hook_(pre|post|router)$/,
};

describe.each(kinds)('%s', (name, folder) => {
  it('every hook point fires in every layer, with the documented axes and sizes', async () => {
    await using model = await open(folder);
    const { captured } = await run(model, batch, { capture: model.hookNames });
    const shapes = hookShapes(model, { B: 2, T: 13 });
    for (const hook of model.hookNames) expect([hook, captured.get(hook)!.shape]).toEqual([hook, shapes.get(hook)]);
    // Not in every family: an indexer, a learned sink, compressed entries, a router, and the one hidden layer that experts do not have.
    const cross = /^(cross_attn\.|ln_cross\.|hook_resid_mid_cross$)/;
    const absent = Object.keys(hookOrders).filter((hook) => !cross.test(hook) && !places(model.hookNames).has(hook));
    expect(absent).toEqual(
      without[name] ?? [
        ...['attn.hook_index_scores', 'attn.hook_sink', 'attn.hook_compressed'],
        ...['attn.hook_gate', 'mlp.hook_router'],
      ],
    );
    const { L } = model.decoder.sizes;
    const inside = model.hookNames.filter((hook) => hook.startsWith('blocks.') && !inSomeLayers[name]?.test(hook));
    expect(inside.length).toBe(L * places(inside).size);
  });

  it('every hook point outside the blocks and of the second one can be edited, and the edit changes the logits', async () => {
    await using model = await open(folder);
    const plain = (await run(model, batch)).logits!.data as Float32Array;
    // Bends values: a factor alone would vanish in a norm, a shift in a softmax.
    const bend = (value: Tensor<string>) => add(value, multiply(multiply(value, value), 0.5));
    for (const hook of model.hookNames.filter((one) => !/^blocks\.[02-9]\./.test(one))) {
      const edited = await run(model, batch, { edit: { [hook]: bend } as Edits });
      expect({ hook, changed: furthest(edited.logits!.data as Float32Array, plain) > 1e-4 }).toEqual({
        hook,
        changed: true,
      });
    }
  });

  it('an edit that gives back its value changes nothing', async () => {
    await using model = await open(folder);
    const plain = (await run(model, batch, { capture: model.hookNames })).logits!.data as Float32Array;
    const edit = Object.fromEntries(model.hookNames.map((hook) => [hook, (value: unknown) => value])) as Edits;
    expect(furthest((await run(model, batch, { edit })).logits!.data as Float32Array, plain)).toBe(0);
  });
});

const [, llama] = kinds.find(([name]) => name === 'llama')!;
const [, gptOss] = kinds.find(([name]) => name === 'gpt_oss')!;

/** 0 at the first key and 1 elsewhere; there are as many keys as queries, T. */
const withoutFirstKey = () => select(equal(iota('S', 'T'), 0), 0, 1);

describe('an edit of the pattern', () => {
  it('that empties the column of the first key gives the values that a hand computes from captured ones', async () => {
    await using model = await open(llama);
    const T = 13;
    const ids = [someIds(T)];
    const { H, G, D } = model.decoder.sizes;
    const before = await run(model, { ids }, { capture: ['blocks.0.attn.hook_pattern', 'blocks.0.attn.v.hook_out'] });
    const pattern = before.captured.get('blocks.0.attn.hook_pattern')!.data as Float32Array;
    const v = before.captured.get('blocks.0.attn.v.hook_out')!.data as Float32Array;
    const after = await run(
      model,
      { ids },
      {
        capture: ['blocks.0.attn.hook_z', 'blocks.0.attn.hook_pattern'],
        edit: { 'blocks.0.attn.hook_pattern': (value) => multiply(value, withoutFirstKey()) },
      },
    );
    const z = new Float32Array(T * H * D);
    for (let h = 0; h < H; h++)
      for (let t = 0; t < T; t++)
        for (let s = 1; s <= t; s++)
          for (let d = 0; d < D; d++)
            z[(t * H + h) * D + d]! += pattern[(h * T + t) * T + s]! * v[(s * G + Math.floor((h * G) / H)) * D + d]!;
    expect(furthest(after.captured.get('blocks.0.attn.hook_z')!.data as Float32Array, z)).toBeLessThan(1e-6);
    const column = (after.captured.get('blocks.0.attn.hook_pattern')!.data as Float32Array).filter(
      (_, i) => i % T === 0,
    );
    expect(Math.max(...column)).toBe(0);
    expect(Math.max(...z)).toBeGreaterThan(0.1);
  });

  it('by pattern means every layer, by name one', async () => {
    await using model = await open(llama);
    const first = (edit: Edits) =>
      run(model, { ids: [someIds(13)] }, { edit, capture: ['blocks.*.attn.hook_pattern'], logits: false }).then(
        ({ captured }) =>
          [...captured.values()].map(
            ({ data }) => Math.max(...(data as Float32Array).filter((_, i) => i % 13 === 0)) > 0,
          ),
      );
    const empty = (value: Tensor<'B' | 'G' | 'R' | 'T' | 'S'>) => multiply(value, withoutFirstKey());
    expect(await first({ 'blocks.*.attn.hook_pattern': empty })).toEqual([false, false, false]);
    expect(await first({ 'blocks.1.attn.hook_pattern': empty })).toEqual([true, false, true]);
  });
});

describe('an edit of the mass on a learned sink', () => {
  it('moves mass: rows are rescaled to sum to one minus the new value', async () => {
    await using model = await open(gptOss);
    const capture = ['blocks.0.attn.hook_pattern', 'blocks.0.attn.hook_sink'] as const;
    const of = async (edit: Edits) => {
      const { captured } = await run(model, { ids: [someIds(13)] }, { capture, edit, logits: false });
      return capture.map((hook) => captured.get(hook)!.data as Float32Array) as [Float32Array, Float32Array];
    };
    const [pattern, sink] = await of({});
    const [none, zero] = await of({ 'blocks.0.attn.hook_sink': (value) => multiply(value, 0) });
    const [half, halved] = await of({ 'blocks.0.attn.hook_sink': (value) => multiply(value, 0.5) });
    expect(Math.max(...zero)).toBe(0);
    expect(
      furthest(
        halved,
        sink.map((mass) => mass / 2),
      ),
    ).toBe(0);
    const rescaled = (left: (mass: number) => number) =>
      pattern.map((share, i) => (share * (1 - left(sink[Math.floor(i / 13)]!))) / (1 - sink[Math.floor(i / 13)]!));
    expect(
      furthest(
        none,
        rescaled(() => 0),
      ),
    ).toBeLessThan(1e-5);
    expect(
      furthest(
        half,
        rescaled((mass) => mass / 2),
      ),
    ).toBeLessThan(1e-5);
  });
});

describe('names', () => {
  it("TransformerLens' legacy names mean the canonical ones", async () => {
    const pairs = {
      hook_embed: 'embed.hook_out',
      'blocks.2.hook_resid_pre': 'blocks.2.hook_in',
      'blocks.*.hook_resid_post': 'blocks.*.hook_out',
      'blocks.0.hook_attn_out': 'blocks.0.attn.hook_out',
      'blocks.0.hook_mlp_out': 'blocks.0.mlp.hook_out',
      'blocks.0.attn.hook_q': 'blocks.0.attn.q.hook_out',
      'blocks.01.attn.hook_k': 'blocks.1.attn.k.hook_out',
    };
    expect(Object.keys(pairs).map(canonicalHook)).toEqual(Object.values(pairs));
    await using model = await open(llama);
    const { captured } = await run(model, batch, { capture: ['hook_embed', 'blocks.*.hook_resid_post'] as never[] });
    expect([...captured.keys()]).toEqual([
      'embed.hook_out',
      'blocks.0.hook_out',
      'blocks.1.hook_out',
      'blocks.2.hook_out',
    ]);
  });

  it.each([
    [
      'blocks.0.attn.hook_patern',
      'hook "blocks.0.attn.hook_patern": llama has no such hook point; nearest: blocks.*.attn.hook_pattern',
    ],
    ['attn.hook_z', 'hook "attn.hook_z": llama has no such hook point; nearest: blocks.*.attn.hook_z'],
    [
      'blocks.*.hook_resid_middle',
      'hook "blocks.*.hook_resid_middle": llama has no such hook point; nearest: blocks.*.hook_resid_mid',
    ],
    ['blocks.7.hook_out', 'hook "blocks.7.hook_out": llama has layers 0 to 2'],
    ['blocks.0.attn.hook_sink', 'hook "blocks.0.attn.hook_sink": llama has no such hook point'],
    ['constructor', 'hook "constructor": llama has no such hook point'],
    [
      'blocks.0.embed.hook_out',
      'hook "blocks.0.embed.hook_out": llama has no such hook point; nearest: embed.hook_out',
    ],
  ])('%s is refused, read and edited, with the nearest names', async (name, message) => {
    await using model = await open(llama);
    const capture = [name as HookName];
    const edit = { [name]: (value: unknown) => value } as Edits;
    await expect(run(model, batch, { capture })).rejects.toThrow(message);
    await expect(run(model, batch, { edit })).rejects.toThrow(message);
  });

  it('an edit that loses or adds an axis is refused by name', async () => {
    await using model = await open(llama);
    const edit = { 'blocks.0.attn.hook_z': () => constant([1], { M: 1 }) } as unknown as Edits;
    await expect(run(model, batch, { edit })).rejects.toThrow(
      'edit blocks.0.attn.hook_z: expected a tensor with axes B D G R T, got M',
    );
    const nothing = { 'blocks.0.attn.hook_z': () => undefined } as unknown as Edits;
    await expect(run(model, batch, { edit: nothing })).rejects.toThrow(
      'edit blocks.0.attn.hook_z: expected a tensor with axes B D G R T, got undefined',
    );
  });
});

describe('a selection of heads and positions', () => {
  it('is the same part of the whole capture', async () => {
    await using model = await open(llama);
    const capture = [
      'blocks.1.attn.hook_pattern',
      'blocks.1.attn.v.hook_out',
      'blocks.1.hook_out',
      'blocks.1.attn.hook_z',
    ] as const;
    const all = await run(model, batch, { capture, logits: false });
    const [heads, positions] = [
      [1, 3],
      [0, 12],
    ];
    const part = await run(model, batch, { capture, logits: false, select: { heads, positions } });
    const { H, G } = model.decoder.sizes;
    const kept: Record<string, number[]> = {
      H: heads,
      T: positions,
      G: [...new Set(heads.map((head) => Math.floor((head * G) / H)))],
    };
    for (const hook of capture) {
      const order = hookOrder(hook);
      const axes = hook.endsWith('v.hook_out') ? { ...kept, S: positions } : kept;
      const { shape, data } = all.captured.get(hook)!;
      const expected = Array.from(data as Float32Array).filter((_, i) => {
        let rest = i;
        return shape
          .map((size, axis) => [size, axis] as const)
          .reverse()
          .every(([size, axis]) => {
            const index = rest % size;
            rest = Math.floor(rest / size);
            return axes[order[axis]!]?.includes(index) ?? true;
          });
      });
      expect(Array.from(part.captured.get(hook)!.data as Float32Array)).toEqual(expected);
    }
  });

  it('outside the model or the text is refused', async () => {
    await using model = await open(llama);
    const select = (one: object) => run(model, batch, { capture: ['blocks.0.attn.hook_z'], select: one });
    await expect(select({ heads: [4] })).rejects.toThrow('head 4: expected a whole number from 0 to 3');
    await expect(select({ positions: [13] })).rejects.toThrow('position 13: expected a whole number from 0 to 12');
    await expect(select({ heads: [] })).rejects.toThrow('head: expected at least one');
  });
});
