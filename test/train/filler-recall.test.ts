import { describe, expect, it } from 'vitest';
import { seededRandom } from '../../src/random.ts';
import { nodeRuntime } from '../../src/runtime/node.ts';
import { fillerRecall, words } from '../../src/train/toys/filler-recall.ts';
import { trainToy } from '../../src/train/toys/train-toy.ts';

/** Rows of a sampled batch. */
function sampled(options: Parameters<typeof fillerRecall>[0], batch = 20) {
  const { tokens: T = 256 } = options ?? {};
  const fed = fillerRecall(options).sample(seededRandom(3), batch);
  const rows = (name: string, width: number) => {
    const all = Array.from(fed[name]?.data ?? [], Number);
    return Array.from({ length: all.length / width }, (_, b) => all.slice(b * width, (b + 1) * width));
  };
  const asking = Math.floor(T / 4);
  return {
    ids: rows('ids', T),
    carried: rows('carried', T),
    target: rows('target', asking),
    asked: rows('asked', asking),
    farAsked: rows('farAsked', asking),
    telling: T - asking,
  };
}

describe('texts of recall among fillers', () => {
  it('tell every pair once, key before value, and ask for every key once, with the value as target', () => {
    const { ids, target, asked, telling } = sampled({});
    for (const [b, row] of ids.entries()) {
      const told = new Map<number, number>();
      for (let t = 0; t < telling; t++) if (row[t]! < words) told.set(row[t]!, row[t + 1]! - words);
      expect(told.size).toBe(16);
      expect(row.filter((id) => id >= words && id < 2 * words)).toHaveLength(16);
      const questions = row.slice(telling).flatMap((id, t) => (id < words ? [{ id, t }] : []));
      expect(questions.map(({ id }) => id).sort()).toEqual([...told.keys()].sort());
      expect(asked[b]!.flatMap((one, t) => (one === 1 ? [t] : []))).toEqual(questions.map(({ t }) => t));
      for (const { id, t } of questions) expect(target[b]![t]).toBe(told.get(id));
    }
  });

  it('call a question far when its value stands more than so many tokens back', () => {
    const { ids, farAsked, asked, telling } = sampled({ far: 100 });
    let far = 0;
    for (const [b, row] of ids.entries())
      for (const [t, one] of asked[b]!.entries()) {
        const gap = telling + t - (row.indexOf(row[telling + t]!) + 1);
        expect(farAsked[b]![t]).toBe(one === 1 && gap > 100 ? 1 : 0);
        far += farAsked[b]![t]!;
      }
    expect(far).toBeGreaterThan(100);
    expect(far).toBeLessThan(20 * 16 - 50);
  });

  it('with a gap tell everything before it: nothing but fillers for so many tokens before the questions', () => {
    const { ids, farAsked, asked } = sampled({ tokens: 64, pairs: 4, gap: 32, far: 32, joined: true });
    for (const [b, row] of ids.entries()) {
      expect(row.slice(0, 16).filter((id) => id < words)).toHaveLength(4);
      expect(row.slice(16, 48).every((id) => id >= 2 * words)).toBe(true);
      expect(farAsked[b]).toEqual(asked[b]);
    }
    expect(() => fillerRecall({ tokens: 64, pairs: 9, gap: 32 })).toThrow('9 pairs do not fit into 64 tokens');
  });

  it('told twice, tell the same keys again after all others, with another value, and ask for that', () => {
    const { ids, carried, target, asked } = sampled({ tokens: 64, pairs: 4, gap: 32, told: 2, joined: true });
    for (const [b, row] of ids.entries()) {
      const told = (from: number) =>
        new Map(
          row.slice(from, from + 8).flatMap((id, t) => (id < words ? [[id, carried[b]![from + t]!] as const] : [])),
        );
      const [once, again] = [told(0), told(8)];
      expect([...again.keys()].sort()).toEqual([...once.keys()].sort());
      for (const [key, value] of again) expect(once.get(key)).not.toBe(value);
      for (const [t, one] of asked[b]!.entries()) if (one === 1) expect(target[b]![t]).toBe(again.get(row[48 + t]!));
    }
  });

  it('joined, carry the value on the key: no token is a value, and no other carries one', () => {
    const { ids, carried, target, asked, telling } = sampled({ tokens: 64, pairs: 6, joined: true });
    for (const [b, row] of ids.entries()) {
      expect(row.every((id) => id < words || id >= 2 * words)).toBe(true);
      const carrying = carried[b]!.flatMap((value, t) => (value < words ? [t] : []));
      expect(carrying).toEqual(row.slice(0, telling).flatMap((id, t) => (id < words ? [t] : [])));
      for (const [t, one] of asked[b]!.entries())
        if (one === 1) expect(target[b]![t]).toBe(carried[b]![row.indexOf(row[telling + t]!)]);
    }
  });

  it('are refused where the pairs do not fit', () => {
    expect(() => fillerRecall({ tokens: 32, pairs: 9 })).toThrow('filler recall: 9 pairs do not fit into 32 tokens');
    expect(() => fillerRecall({ tokens: 256, pairs: 33 })).toThrow('33 pairs');
  });
});

describe('recall among fillers', () => {
  it('starts at chance, ln 32, and its loss falls below it where pairs are joined', async () => {
    await using runtime = nodeRuntime({ threads: 1 });
    const toy = { ...fillerRecall({ tokens: 32, pairs: 3, far: 8, heads: 2, joined: true }), batch: 16 };
    const losses: number[] = [];
    await trainToy(toy, runtime, { steps: 80, progress: (_, { loss }) => losses.push(loss!) });
    expect(Math.abs(losses[0]! - Math.log(words))).toBeLessThan(0.5);
    expect(losses.at(-1)).toBeLessThan(3);
  });

  it('gives accuracies over what is asked, and the figures that are asked for', async () => {
    await using runtime = nodeRuntime({ threads: 1 });
    const seen: number[] = [];
    const toy = fillerRecall({
      ...{ tokens: 32, pairs: 3, heads: 2 },
      figures: ({ patterns, scores, values }) => {
        seen.push(patterns.length, scores.length, values.length);
        return {};
      },
    });
    const { values } = await trainToy({ ...toy, batch: 4 }, runtime, { steps: 1 });
    expect(seen).toEqual([2, 2, 2]);
    expect(values.accuracy).toBeGreaterThanOrEqual(0);
    expect(values.accuracy).toBeLessThan(0.5);
  });
});
