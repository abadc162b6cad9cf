import { describe, expect, it } from 'vitest';
import { columnSums, turnedQueries } from '../../src/measure/reductions.ts';
import { feed } from '../../src/models/feed.ts';
import type { HookName } from '../../src/models/hook-names.ts';
import type { Batch } from '../../src/models/input.ts';
import { Layerwise, type Reduction } from '../../src/models/layerwise.ts';
import type { Model } from '../../src/models/model.ts';
import { run } from '../../src/models/run.ts';
import { readsTokens, type TokenStack } from '../../src/models/stack.ts';
import { multiply, sum } from '../../src/tensor/index.ts';
import { aBatch, differences, extentsOf, memoryOf, stacksOf, texts, usual, type Values, valuesOf } from './batches.ts';
import { open, present } from './support.ts';

/** The same as `columnSums`, of attention to the memory. */
const crossColumns: Reduction<'cross_attn.hook_pattern'> = {
  hook: 'cross_attn.hook_pattern',
  reduce: (pattern, { real }) => sum(real ? multiply(pattern, real) : pattern, 'T'),
  order: ['B', 'G', 'R', 'S'],
};

/** Σ over real queries of |w| / Σ|w| (rows that sum to anything) or of w. [B, H, T, S] → [B, H, S]. */
function columns(
  pattern: Float32Array,
  [B, H, T, S]: readonly number[],
  { anyRows, real }: { readonly anyRows: boolean; readonly real: Uint8Array | undefined },
): Float32Array {
  const sums = new Float64Array(B! * H! * S!);
  for (let row = 0; row < B! * H! * T!; row++) {
    const head = Math.floor(row / T!);
    if (real?.[Math.floor(head / H!) * T! + (row % T!)] === 0) continue;
    const values = pattern.subarray(row * S!, (row + 1) * S!);
    const total = anyRows ? values.reduce((all, value) => all + Math.abs(value), 0) : 1;
    values.forEach((value, s) => {
      sums[head * S! + s]! += anyRows ? Math.abs(value) / total : value;
    });
  }
  return Float32Array.from(sums);
}

/** What the whole graph has of each layer, by hook point. */
async function wholeGraph(model: Model, batch: Batch): Promise<Values[]> {
  const wanted = /^blocks\.\d+\.(hook_out|attn\.(hook_rot_q|hook_rot_k|v\.hook_out)|(cross_)?attn\.hook_pattern)$/;
  const capture = model.hookNames.filter((name) => wanted.test(name));
  const { captured } = await run(model, batch, { capture, logits: false });
  const values = valuesOf({ captured, outputs: new Map() });
  const { real } = feed(model.stack, batch);
  return model.stack.blocks.map(({ rows }, layer) => {
    const prefix = `blocks.${layer}.`;
    return new Map(
      [...values]
        .filter(([name]) => name.startsWith(prefix))
        .map(([name, data]) => {
          const shape = captured.get(name as HookName)!.shape;
          const own = name.slice(prefix.length);
          return [own, own.endsWith('pattern') ? columns(data, shape, { anyRows: rows === 'any', real }) : data];
        }),
    );
  });
}

async function compare(model: Model, batch: Batch, chunk: number, expected: readonly Values[]) {
  const engine = new Layerwise(model, { reduce: { columnSums, turnedQueries, crossColumns }, chunk });
  const found: unknown[] = [];
  for await (const { layer, residual, reduced, k, v } of engine.run([feed(model.stack, batch)])) {
    const ours = new Map<string, Float32Array | undefined>([
      ['hook_out', residual],
      ['attn.hook_rot_k', k],
      ['attn.v.hook_out', v],
      ...Object.entries({
        'attn.hook_rot_q': reduced.turnedQueries,
        'attn.hook_pattern': reduced.columnSums,
        'cross_attn.hook_pattern': reduced.crossColumns,
      }).map(([name, value]) => [name, value && Float32Array.from(value.data)] as const),
    ]);
    const far = differences(ours as Values, expected[layer]!);
    found.push(...far.map(([name, by]) => ({ layer, name, by })));
  }
  return found;
}

/** Three texts of which two are padded. */
const padded = (stack: TokenStack): Batch => ({
  ...texts(stack, [13, 9, 1], [3, 5, 8]),
  ...(stack.memory ? { memory: memoryOf(stack, [3, 5, 8], [9, 6, 1]) } : {}),
});

describe.each(present)('%s', (_, folder) => {
  it('layer by layer, in chunks smaller than the input and padded too, gives what the whole graph gives', async () => {
    await using model = await open(folder);
    for (const [part, one] of stacksOf(model)) {
      const { stack } = one;
      const single = aBatch(stack, extentsOf(stack)[1] ?? usual(stack), [3]);
      const cases = readsTokens(stack)
        ? ([
            [4, aBatch(stack, 13, [3])],
            [64, padded(stack)],
          ] as const)
        : ([
            [4, single],
            [64, single],
          ] as const);
      for (const [chunk, batch] of cases) {
        const far = await compare(one, batch, chunk, await wholeGraph(one, batch));
        expect({ part, chunk, far }).toEqual({ part, chunk, far: [] });
      }
    }
  });
});
