import { afterAll, describe, expect, it } from 'vitest';
import { toEightBits, toFourBits, type WeightBlocks } from '../../src/load/weight-blocks.ts';
import { nodeRuntime } from '../../src/runtime/node.ts';
import { type BlockStorage, dot, gather, input, lower, type Output, weight } from '../../src/tensor/index.ts';
import { generator } from './check.ts';

const runtime = nodeRuntime({ threads: 1 });
afterAll(() => runtime.dispose());

const random = generator(5);
const numbers = (length: number) => Float32Array.from({ length }, () => random() * 2 - 1);

/** Blocks of several matrices one behind the other, and where each lies. */
function stored(matrices: Readonly<Record<string, WeightBlocks>>, adjacent = true) {
  const data = new Map<string, Uint8Array>();
  const storage: Record<string, BlockStorage> = {};
  for (const part of ['codes', 'scales', 'offsets'] as const) {
    const arrays = Object.entries(matrices).flatMap(([name, blocks]) => {
      const values = blocks[part];
      return values ? [[name, new Uint8Array(values.buffer)] as const] : [];
    });
    const whole = new Uint8Array(arrays.reduce((total, [, { length }]) => total + length, 0));
    let end = 0;
    for (const [name, bytes] of arrays) {
      whole.set(bytes, end);
      const { bits, block } = matrices[name]!;
      const location = adjacent ? part : `${name} ${part}`;
      if (!adjacent) data.set(location, bytes);
      const at = { location, offset: adjacent ? end : 0, length: bytes.length };
      storage[name] = { bits, block, activations: 'float32', ...storage[name], [part]: at } as BlockStorage;
      end += bytes.length;
    }
    if (adjacent && whole.length > 0) data.set(part, whole);
  }
  return { data, storage: (name: string) => storage[name]! };
}

function valueAt({ bits, codes, scales, offsets }: WeightBlocks, i: number): number {
  const code = bits === 8 ? codes[i]! : (codes[i >> 1]! >> (4 * (i & 1))) & 15;
  return scales[i >> 5]! * (code - 2 ** (bits - 1)) + (offsets?.[i >> 5] ?? 0);
}

const matrices = { up: [24, 64], down: [8, 64] } as const;
const x = input('x', { B: 'B', T: 'T', M: 64 });
const products: Record<string, Output> = {
  up: { value: dot(x, weight('up', { G: 4, D: 6, M: 64 }), 'M'), order: ['B', 'T', 'G', 'D'] },
  down: { value: dot(x, weight('down', { F: 8, M: 64 }), 'M'), order: ['B', 'T', 'F'] },
};

describe('a weight in blocks', () => {
  it.each([
    ['four bits, side by side: one product', toFourBits, true, 1],
    ['four bits, apart', toFourBits, false, 2],
    ['eight bits, side by side: one product', toEightBits, true, 1],
  ] as const)('%s: gives the products of its values', async (_, round, adjacent, count) => {
    const held = Object.fromEntries(
      Object.entries(matrices).map(([name, [N, K]]) => [name, round(numbers(N * K))] as const),
    );
    const { data, storage } = stored(held, adjacent);
    const graph = lower(products, { weights: storage });
    expect(new TextDecoder('latin1').decode(graph.bytes).split('MatMulNBits').length - 1).toBe(count);
    const program = await runtime.compile(graph, { weightData: data });
    for (const [B, T] of [
      [1, 1],
      [2, 5],
    ] as const) {
      const fed = numbers(B * T * 64);
      const results = await program.run({ x: { type: 'float32', shape: [B, T, 64], data: fed } });
      for (const [name, [N, K]] of Object.entries(matrices))
        for (let row = 0; row < B * T; row++)
          for (let n = 0; n < N; n++) {
            let sum = 0;
            for (let k = 0; k < K; k++) sum += fed[row * K + k]! * valueAt(held[name]!, n * K + k);
            expect(Math.abs((results[name]!.data[row * N + n] as number) - sum)).toBeLessThan(2e-5);
          }
    }
  });

  it.each([
    ['four', toFourBits],
    ['eight', toEightBits],
  ] as const)('of %s bits gives its rows', async (_, round) => {
    const table = round(numbers(10 * 64));
    const { data, storage } = stored({ table });
    const ids = input('ids', { B: 'B', T: 'T' }, 'int64');
    const rows = gather(weight('table', { V: 10, G: 2, D: 32 }), ids, 'V');
    const program = await runtime.compile(
      lower({ rows: { value: rows, order: ['B', 'T', 'G', 'D'] } }, { weights: storage }),
      { weightData: data },
    );
    const chosen = [3, 9, 0, 3];
    const result = await program.run({
      ids: { type: 'int64', shape: [2, 2], data: BigInt64Array.from(chosen, BigInt) },
    });
    expect(result.rows!.shape).toEqual([2, 2, 2, 32]);
    chosen.forEach((id, i) => {
      for (let k = 0; k < 64; k++)
        expect(Math.abs((result.rows!.data[i * 64 + k] as number) - valueAt(table, id * 64 + k))).toBeLessThan(1e-6);
    });
  });

  it.each([
    ['four', toFourBits],
    ['eight', toEightBits],
  ] as const)('of %s bits takes no rows and gives none', async (_, round) => {
    const offsets = numbers((24 * 64) / 32);
    const { data, storage } = stored({ up: { ...round(numbers(24 * 64)), offsets }, down: round(numbers(8 * 64)) });
    const program = await runtime.compile(lower(products, { weights: storage }), { weightData: data });
    const nothing = { type: 'float32', shape: [1, 0, 64], data: new Float32Array(0) } as const;
    const { up, down } = await program.run({ x: nothing });
    expect([up!.shape, down!.shape]).toEqual([
      [1, 0, 4, 6],
      [1, 0, 8],
    ]);
  });

  it('is refused along axes that its blocks do not lie along', () => {
    const { storage } = stored({ w: toFourBits(numbers(64 * 32)) });
    const across = dot(input('x', { T: 'T', F: 64 }), weight('w', { F: 64, M: 32 }), 'F');
    expect(() => lower({ y: { value: across } }, { weights: storage })).toThrow(
      'dot: weight w [F,M] is stored in blocks of 32 along its last axes, which cannot be used along F of size 64',
    );
    const shared = dot(input('x', { F: 64, M: 32 }), weight('w', { F: 64, M: 32 }), 'M');
    expect(() => lower({ y: { value: shared } }, { weights: storage })).toThrow('shares axis F');
    const column = gather(weight('w', { F: 64, M: 32 }), input('ids', { T: 'T' }, 'int64'), 'M');
    expect(() => lower({ y: { value: column } }, { weights: storage })).toThrow('only rows of its first axis');
  });
});
