import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { canonicalHook, type HookName, hookOrder, hookOrders } from '../../src/models/hook-names.ts';
import type { Edits } from '../../src/models/hooks.ts';
import type { Model } from '../../src/models/model.ts';
import { type RunResult, run } from '../../src/models/run.ts';
import { hookShapes } from '../../src/models/trace-hooks.ts';
import type { HostTensor } from '../../src/runtime/backend.ts';
import { constant, equal, iota, multiply, select, size, subtract, type Tensor } from '../../src/tensor/index.ts';
import { aBatch, differences, positionsOf, stacksOf, usual, valuesOf } from './batches.ts';
import { familyFolder, furthest, open, present, someIds } from './support.ts';

const batch = { ids: [someIds(13), someIds(13, 5)] };

const rare = ['attn.hook_index_scores', 'attn.hook_sink', 'attn.hook_compressed', 'attn.hook_gate'];
const dense = ['mlp.hook_pre', 'mlp.hook_post'];
const noLogits = [...rare, 'mlp.hook_router', 'unembed.hook_out'];
const noSink = rare.filter((hook) => hook !== 'attn.hook_gate');
const experts = [...rare, ...dense];
const sinkExperts = experts.filter((hook) => hook !== 'attn.hook_sink');
const firstDense = ['mlp.hook_pre@0', 'mlp.hook_post@0', 'mlp.hook_router@1,2'];
const inside = ['q.hook_out', 'k.hook_out', 'v.hook_out', 'hook_rot_q', 'hook_rot_k'].map((name) => `attn.${name}@2`);
/**
 * Hook points that a stack lacks, and those of some of its layers with these: not in every family are an indexer, a learned sink, compressed
 * entries, a gate, a router, the one hidden layer that experts do not have, and attention in every layer.
 */
const lacks: Record<string, string[]> = {
  ...Object.fromEntries(['mixtral', 'qwen3_moe', 'olmoe'].map((name) => [name, experts])),
  ...Object.fromEntries(['gpt_oss', 'gpt_oss_mxfp4', 'openai_privacy_filter'].map((name) => [name, sinkExperts])),
  minimax: [...noSink, 'attn.hook_gate@0,2', ...dense],
  deepseek_v3: [...rare, ...firstDense],
  qwen3_next: [
    'attn.hook_index_scores',
    'attn.hook_attn_scores@3',
    'attn.hook_pattern@3',
    ...noSink.slice(1),
    ...dense,
  ],
  qwen3_5: [
    'attn.hook_index_scores',
    'attn.hook_attn_scores@3',
    'attn.hook_pattern@3',
    ...noSink.slice(1),
    'mlp.hook_router',
  ],
  mimo_v2_flash: ['attn.hook_index_scores', 'attn.hook_sink@1', ...rare.slice(2), ...firstDense],
  granite_swa: [...rare.filter((hook) => hook !== 'attn.hook_sink'), 'mlp.hook_router'],
  flint: [...rare.filter((hook) => hook !== 'attn.hook_sink'), ...firstDense],
  lfm3: [
    ...inside,
    ...['attn.hook_index_scores', 'attn.hook_attn_scores@2', 'attn.hook_pattern@2', ...noSink.slice(1)],
    ...['attn.hook_gate@2', 'attn.hook_z@2', 'attn.hook_out@2', 'mlp.hook_router'],
  ],
  deepseek_v4: ['attn.hook_index_scores', 'attn.hook_gate', ...dense],
  deepseek_v4_compressed: ['attn.hook_index_scores@1', 'attn.hook_compressed@1,2', 'attn.hook_gate', ...dense],
  hy_v4: ['attn.hook_compressed', ...firstDense],
  hy_v4_heads: ['attn.hook_compressed', 'mlp.hook_pre@0', 'mlp.hook_post@0', 'mlp.hook_router@1,2,3,4'],
  ...Object.fromEntries(
    [
      ...['t5 encoder', 't5_v1_1 encoder', 'whisper encoder', 'clip text', 'clip vision', 'llava vision'],
      ...['vit', 'deit', 'dinov2', 'dinov2_with_registers', 'dinov3_vit', 'siglip_vision'],
    ].map((name) => [name, noLogits]),
  ),
  ...Object.fromEntries(
    ['t5 decoder', 't5_v1_1 decoder', 'whisper decoder'].map((name) => [
      name,
      [...rare, ...rare.map((hook) => `cross_${hook}`), 'mlp.hook_router'],
    ]),
  ),
};

/** As `lacks` spells it. */
function lacking({ hookNames, stack }: Model): string[] {
  const named: ReadonlySet<string> = new Set(hookNames);
  const layers = [...stack.blocks.keys()];
  return Object.keys(hookOrders)
    .filter((place) =>
      stack.reads === undefined && stack.memory ? true : !/^(cross_attn\.|ln_cross\.|hook_resid_mid_cross)/.test(place),
    )
    .flatMap((place) => {
      const found = layers.filter((layer) => named.has(`blocks.${layer}.${place}`));
      if (named.has(place) || found.length === layers.length) return [];
      return [found.length === 0 ? place : `${place}@${found}`];
    });
}

/** What a stack is for: logits, else its other outputs, else its stream. */
const purpose = ({ logits, outputs, captured }: RunResult): HostTensor[] =>
  logits ? [logits] : outputs.size > 0 ? [...outputs.values()] : [captured.get('ln_final.hook_out')!];

/** Turns values round and bends them: a factor alone would vanish in a norm, a shift in a softmax, what keeps the order in a choice. */
const bend = (value: Tensor<string>) => subtract(multiply(multiply(value, value), 0.5), value);

/** Hook points whose edit can change nothing: no entry of 128 tokens in so short a text; both experts of every token are the same one. */
const idle: Record<string, RegExp> = { deepseek_v4: /\.(attn\.hook_compressed|mlp\.hook_router)$/ };

describe.each(present)('%s', (name, folder) => {
  let model: Model;
  beforeAll(async () => {
    model = await open(folder);
  });
  afterAll(() => model.dispose());

  const made = new Map<string, Promise<RunResult>>();
  /** What a stack gives for two inputs when nothing inside is read or edited. */
  const plainly = (part: string, one: Model) => {
    const known = made.get(part) ?? run(one, aBatch(one.stack, usual(one.stack)), { capture: ['ln_final.hook_out'] });
    made.set(part, known);
    return known;
  };

  it('every hook point fires in the layers that have it, with the documented axes and sizes, and reading it changes nothing', async () => {
    for (const [part, one] of stacksOf(model)) {
      const extent = usual(one.stack);
      const input = aBatch(one.stack, extent);
      expect([part, lacking(one)]).toEqual([part, lacks[`${name} ${part}`.trim()] ?? [...rare, 'mlp.hook_router']]);
      const plain = await plainly(part, one);
      const read = await run(one, input, { capture: one.hookNames });
      if (one.stack.reads === 'pixels')
        expect([part, one.stack.sizes.maxPositions]).toEqual([part, positionsOf(one.stack, extent)]);
      const shapes = hookShapes(one, { B: 2, T: positionsOf(one.stack, extent), N: 9 });
      expect([...read.captured].map(([hook, { shape }]) => [part, hook, shape])).toEqual(
        one.hookNames.map((hook) => [part, hook, shapes.get(hook)]),
      );
      const values = ({ logits, outputs, captured }: RunResult) =>
        valuesOf({
          ...(logits ? { logits } : {}),
          outputs,
          captured: new Map([['ln_final.hook_out', captured.get('ln_final.hook_out')!]]),
        });
      expect([part, differences(values(read), values(plain))]).toEqual([part, []]);
    }
  });

  it('every hook point can be edited, the edit changes what the stack is for, and where it gives back its value nothing', async () => {
    for (const [part, one] of stacksOf(model)) {
      const { hookNames, stack } = one;
      // One input many times over: the edit of each hook point is of one of them, and of the first is none.
      const B = hookNames.length + 1;
      const input = aBatch(stack, usual(stack), Array(B).fill(3));
      const edit = Object.fromEntries(
        hookNames.map((hook, i) => [
          hook,
          (value: Tensor<string>) => {
            const mine = equal(iota('B', size(value as Tensor<'B'>, 'B')), i + 1);
            return select(mine as Tensor<string>, bend(value), value);
          },
        ]),
      ) as Edits;
      const edited = await run(one, input, { edit, capture: ['ln_final.hook_out'] });
      const plain = await plainly(part, one);
      const row = ({ data, shape }: HostTensor, b: number, rows: number) => {
        const each = shape[0]! % rows === 0 ? data.length / rows : data.length;
        return (data as Float32Array).subarray(b * each, (b + 1) * each);
      };
      const far = (b: number) =>
        Math.max(...purpose(edited).map((value, i) => furthest(row(value, b, B), row(purpose(plain)[i]!, 0, 2))));
      expect([part, far(0) < 1e-5]).toEqual([part, true]);
      expect([part, hookNames.filter((_, i) => !(far(i + 1) > 1e-4))]).toEqual([
        part,
        hookNames.filter((hook) => idle[name]?.test(hook)),
      ]);
    }
  });

  it('a hook point that there is not is refused, read and edited, with the nearest names', async () => {
    for (const [, one] of stacksOf(model)) {
      const { stack } = one;
      const last = stack.blocks.length - 1;
      const who = stack.part === undefined ? stack.family : `${stack.family} ${stack.part}`;
      for (const [hook, message] of [
        ['blocks.0.hook_resid_middle', 'has no such hook point; nearest: blocks.*.hook_resid_mid'],
        [`blocks.${last + 1}.hook_out`, `has layers 0 to ${last}`],
      ] as const)
        for (const options of [
          { capture: [hook as HookName] },
          { edit: { [hook]: (value: unknown) => value } as Edits },
        ])
          await expect(run(one, aBatch(stack, usual(stack)), options)).rejects.toThrow(
            `hook "${hook}": ${who} ${message}`,
          );
    }
  });
});

const llama = familyFolder('llama')!;
const gptOss = familyFolder('gpt_oss')!;

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
