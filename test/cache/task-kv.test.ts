import { describe, expect, it } from 'vitest';
import { full } from '../../src/cache/policies/full.ts';
import { policyFile, type TaskKvDecision, type TaskKvOptions, taskKv } from '../../src/cache/policies/task-kv.ts';
import { restoreStream, saveStream } from '../../src/cache/save.ts';
import { createStream } from '../../src/cache/stream.ts';
import {
  chooseHeads,
  middleTokens,
  semanticDistances,
  semanticVector,
  wholeHeads,
} from '../../src/cache/task-kv/heads.ts';
import { run } from '../../src/models/run.ts';
import { seededRandom } from '../../src/random.ts';
import { bundled } from '../fixtures.ts';
import { furthest, open, someIds } from '../models/support.ts';
import { masked } from './masked.ts';

const random = seededRandom(1);
const published = { choose: 'farthest', nearestToo: true, random } as const;

describe('the heads that keep the whole prompt', () => {
  it('are fewer from layer to layer, in a line', () => {
    const of = { layers: 32, heads: 32, beta: 0.25, top: 4 };
    expect(wholeHeads(0, of)).toBe(8);
    expect(wholeHeads(31, of)).toBe(4);
    expect(wholeHeads(15, of)).toBeCloseTo(8 - (4 * 15) / 31, 12);
    expect(wholeHeads(0, { ...of, layers: 1 })).toBe(8);
  });

  it('leave the others a budget of middle tokens', () => {
    const of = { prompt: 4096, heads: 32, whole: 8, sinks: 16, recent: 256 };
    // (52428.8 − 32768) / 24 = 819.2, less 272.
    expect(middleTokens(0.4 * 32 * 4096, of)).toBe(547);
    expect(middleTokens(0.2 * 32 * 4096, of)).toBe(-546);
    expect(middleTokens(0, { ...of, whole: 32 })).toBe(0);
  });

  it('are those far from the centre and the nearest one, and of equal distances the first', () => {
    const distances = semanticDistances(
      [
        [0, 0],
        [0, 0],
        [0, 0],
        [4, 0],
      ].map((v) => Float64Array.from(v)),
    );
    expect([...distances]).toEqual([1, 1, 1, 3]);
    expect(chooseHeads(distances, 2, published)).toEqual([0, 3]);
    expect(chooseHeads(distances, 1, { ...published, nearestToo: false })).toEqual([3]);
    expect(chooseHeads(Float64Array.of(0, 0, 0, 0), 2, published)).toEqual([0, 1]);
    expect(chooseHeads(Float64Array.of(5, 1, 4, 3, 2), 3, published)).toEqual([0, 1, 2]);
    expect(chooseHeads(distances, 0, published)).toEqual([]);
    expect(chooseHeads(distances, 4, published)).toEqual([0, 1, 2, 3]);
  });

  it('are others under the controls', () => {
    const distances = Float64Array.of(5, 1, 4, 3, 2);
    expect(chooseHeads(distances, 2, { ...published, choose: 'nearest' })).toEqual([1, 4]);
    const seen = (choose: 'random' | 'permuted') =>
      Array.from({ length: 200 }, (_, seed) =>
        chooseHeads(distances, 2, { ...published, choose, random: seededRandom(seed) }),
      );
    for (const choose of ['random', 'permuted'] as const) {
      const drawn = seen(choose);
      expect(drawn).toEqual(seen(choose));
      // Every head comes in 2 of 5 draws, within five standard deviations.
      for (let head = 0; head < 5; head++)
        expect(Math.abs(drawn.filter((heads) => heads.includes(head)).length - 80)).toBeLessThan(35);
    }
  });

  it('stand apart by what they gather: the values of the tokens of largest attention, not scaled up', () => {
    const values = [Float32Array.of(1, 0), Float32Array.of(0, 10), Float32Array.of(2, 2)];
    const of = (tokens: number) => [...semanticVector(Float64Array.of(0.5, 0.1, 0.4), (rank) => values[rank]!, tokens)];
    expect(of(2)).toEqual([0.5 + 0.8, 0.8]);
    expect(of(3)).toEqual([0.5 + 0.8, 0.8 + 1]);
    expect(of(9)).toEqual(of(3));
  });
});

describe('Task-KV', () => {
  const ids = someIds(30);

  /** What is decided in every layer after a prompt. */
  async function decided(options: Partial<TaskKvOptions>, chunk = 256, folder = 'llama') {
    const decisions: TaskKvDecision[] = [];
    await using model = await open(bundled(`families/${folder}`));
    const policy = taskKv({ sizes: model.decoder.sizes, ...options, observe: (one) => decisions.push(one) });
    await using stream = createStream(model, { policy, chunk });
    await stream.read(ids);
    return { decisions, kept: stream.cache.tables.map((_, table) => stream.kept(0, table)) };
  }

  it('with one query and all tokens has the output of each head at the last token as semantic vector', async () => {
    for (const folder of ['llama', 'gpt2']) {
      await using model = await open(bundled(`families/${folder}`));
      const { H, G, D, L } = model.decoder.sizes;
      const { captured } = await run(model, { ids: [ids] }, { capture: ['blocks.*.attn.hook_z'] });
      const { decisions } = await decided({ window: 1 }, 256, folder);
      expect(decisions).toHaveLength(L);
      decisions.forEach(({ layer, semantic }) => {
        const z = captured.get(`blocks.${layer}.attn.hook_z`)!.data as Float32Array;
        const last = z.subarray(29 * H * D);
        semantic.forEach((vector, g) => {
          const R = H / G;
          // Of a group, the mean over its query heads.
          const expected = Array.from(vector, (_, d) => {
            let total = 0;
            for (let r = 0; r < R; r++) total += last[(g * R + r) * D + d]! / R;
            return total;
          });
          expect(furthest(vector, expected)).toBeLessThan(1e-6);
        });
      });
    }
  });

  it('decides the same whatever the chunks the prompt is read in', async () => {
    const options = { window: 8, sinks: 2, recent: 4, budget: { share: 0.5 }, beta: 0.5 };
    for (const folder of ['llama', 'gpt2']) {
      const [once, chunks] = [await decided(options, 256, folder), await decided(options, 7, folder)];
      expect(chunks.kept).toEqual(once.kept);
      once.decisions.forEach(({ distances }, layer) => {
        expect(furthest(distances, chunks.decisions[layer]!.distances)).toBeLessThan(1e-6);
      });
    }
  });

  it.each([
    ['a budget of everything', { budget: { share: 1 }, sinks: 2, recent: 4 }],
    ['all heads whole', { beta: 1, top: 2, sinks: 2, recent: 4 }],
    ['a prompt shorter than sinks and recent tokens', { sinks: 16, recent: 256 }],
  ] as const)('with %s is full attention', async (_, options) => {
    await using model = await open(bundled('families/llama'));
    await using stream = createStream(model, { policy: taskKv({ sizes: model.decoder.sizes, ...options }) });
    await using reference = createStream(model, { policy: full({ capacity: 64 }) });
    for (const one of [stream, reference]) {
      await one.read(ids);
      for (const id of [5, 6, 7]) await one.next([id]);
    }
    expect(furthest(stream.logits[0]!, reference.logits[0]!)).toBeLessThan(1e-5);
  });

  it('keeps what it says in every head, and later tokens see that and nothing else', async () => {
    const decisions: TaskKvDecision[] = [];
    await using model = await open(bundled('families/llama'));
    const { sizes } = model.decoder;
    const options = { sizes, budget: { share: 0.7 }, beta: 0.5, window: 8, sinks: 2, recent: 4, kernel: 3 };
    const policy = taskKv({ ...options, observe: (one) => decisions.push(one) });
    await using stream = createStream(model, { policy });
    await stream.read(ids);
    for (const { layer, whole, middle, budget, kept, ranks } of decisions) {
      expect(whole).toHaveLength(1);
      // 0.7 · 2 · 30 = 42 entries: 30 and 12, of which 6 are sinks and recent tokens.
      expect([budget, middle, kept]).toEqual([42, 6, 42]);
      ranks.forEach((rows, head) => {
        expect(stream.kept(0, layer * 2 + head)).toEqual(rows);
        if (whole.includes(head)) expect(rows).toHaveLength(30);
        else expect(rows.filter((rank) => rank < 2 || rank >= 26)).toEqual([0, 1, 26, 27, 28, 29]);
      });
    }
    const rest = someIds(6, 9);
    const expected = await masked(model, [...ids, ...rest], (layer, g, t, s) => {
      return t < 30 || s >= 30 || decisions[layer]!.ranks[g]!.includes(s);
    });
    for (const [i, id] of rest.entries()) {
      await stream.next([id]);
      expect(furthest(stream.logits[0]!, expected[30 + i]!)).toBeLessThan(1e-4);
    }
  });

  it('chooses middle tokens by pooled attention of the last queries', async () => {
    const options = { budget: { entries: 12 }, beta: 0, top: 0, window: 4, sinks: 2, recent: 4, kernel: 3 };
    await using model = await open(bundled('families/llama'));
    const { captured } = await run(model, { ids: [ids] }, { capture: ['blocks.1.attn.hook_pattern'] });
    const pattern = [...captured.values()][0]!.data as Float32Array;
    const { kept } = await decided(options);
    for (const g of [0, 1]) {
      const votes = ids.map((_, s) => {
        let sum = 0;
        for (const h of [2 * g, 2 * g + 1])
          for (let t = 26; t < 30; t++)
            for (let near = s - 1; near <= s + 1; near++)
              sum += near < 0 || near > 29 ? 0 : pattern[(h * 30 + t) * 30 + near]!;
        return sum;
      });
      const middle = ids
        .map((_, s) => s)
        .slice(2, 26)
        .sort((a, b) => votes[b]! - votes[a]!)
        .slice(0, 6);
      expect(kept[2 + g]).toEqual([0, 1, ...middle.sort((a, b) => a - b), 26, 27, 28, 29]);
    }
  });

  it('holds the budget by fewer whole heads, or goes beyond it and says so', async () => {
    const options = { budget: { entries: 10 }, beta: 0.5, top: 1, sinks: 2, recent: 4 };
    const beyond = await decided(options);
    expect(beyond.decisions.map(({ budget, kept, middle }) => [budget, kept, middle])).toEqual(
      [0, 1, 2].map(() => [20, 36, 0]),
    );
    const within = await decided({ ...options, givesWay: 'heads' });
    expect(within.decisions.map(({ whole, kept }) => [whole, kept])).toEqual([0, 1, 2].map(() => [[], 20]));
  });

  it('takes memory for what each head keeps, and grows by what is generated', async () => {
    await using model = await open(bundled('families/llama'));
    const { sizes } = model.decoder;
    const long = someIds(90);
    const policy = taskKv({ sizes, beta: 0.5, sinks: 2, recent: 4, budget: { share: 0.6 } });
    await using stream = createStream(model, { policy });
    await stream.read(long);
    const slots = stream.cache.tables.map(({ entries }) => entries).sort((a, b) => a - b);
    expect(slots).toEqual([64, 64, 64, 90, 90, 90]);
    const others = stream.cache.tables.findIndex(({ entries }) => entries === 64);
    expect(stream.kept(0, others)).toHaveLength(18);
    for (let i = 0; i < 60; i++) await stream.next([i]);
    expect(stream.kept(0, others)).toHaveLength(78);
    expect(stream.kept(0, others).slice(-60)).toEqual(Array.from({ length: 60 }, (_, i) => 90 + i));
    // It can be saved as it has grown.
    await using other = createStream(model, { policy, engine: stream.engine });
    await restoreStream(other, await saveStream(stream));
    for (const one of [stream, other]) await one.next([3]);
    expect(other.logits[0]).toEqual(stream.logits[0]);
    // A second prompt is decided over what is left of the first.
    await stream.read(someIds(20, 8));
    expect(stream.kept(0, others).slice(-4)).toEqual([167, 168, 169, 170]);
  });

  it('keeps protected tokens in every head, and about the capacity that is asked for by name', async () => {
    await using model = await open(bundled('families/llama'));
    const { sizes } = model.decoder;
    const policy = policyFile.make({ capacity: 16, sizes, protect: [11, 12] });
    await using stream = createStream(model, { policy });
    await stream.read(ids);
    stream.cache.tables.forEach((_, table) => {
      expect(stream.kept(0, table)).toEqual(expect.arrayContaining([0, 1, 11, 12, 29]));
      expect(stream.kept(0, table)).toHaveLength(16);
    });
  });

  it('refuses numbers outside their ranges, and another model', async () => {
    const sizes = { L: 3, G: 2 };
    expect(() => taskKv({ sizes, kernel: 4 })).toThrow('task-kv: expected kernel to be odd, got 4');
    expect(() => taskKv({ sizes, beta: 2 })).toThrow('task-kv: expected beta from 0 to 1, got 2');
    expect(() => taskKv({ sizes, top: 3 })).toThrow('expected top from 0 to 2, the heads of a layer, got 3');
    expect(() => taskKv({ sizes, budget: { share: 0 } })).toThrow('expected budget.share above 0, to 1, got 0');
    expect(() => taskKv({ sizes, budget: { entries: 1.5 } })).toThrow('expected budget.entries to be a whole number');
    await using model = await open(bundled('families/llama'));
    expect(() => createStream(model, { policy: taskKv({ sizes: { L: 4, G: 2 } }) })).toThrow(
      'task-kv: it was made for 4 layers of 2 key/value heads, the model has 3 of 2',
    );
  });
});
