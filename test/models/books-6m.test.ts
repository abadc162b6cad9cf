import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { load, loss, type Model, run } from '../../src/index-node.ts';
import { DEFAULT_TEXT } from '../../src/load/default-text.ts';
import { seededRandom, shuffle } from '../../src/random.ts';

const folder = fileURLToPath(new URL('../../models/books-6m', import.meta.url));

describe('the model of our own', () => {
  let model: Model;
  beforeAll(async () => {
    model = await load(folder);
  });
  afterAll(() => model.dispose());

  it('is a Llama with a tokenizer of its own, whose BOS is token 0', () => {
    expect(model.decoder.sizes).toMatchObject({ L: 6, H: 4, M: 256, V: 4096, maxPositions: 512 });
    const ids = [...model.tokenizer!.encode('The old man')];
    expect(model.tokenizer!.decode(ids)).toBe('The old man');
    expect(model.tokenizer!.decode([0])).toBe('<|bos|>');
  });

  it('has learnt English: it predicts a text better than one in random order, and far better than chance', async () => {
    const ids = [0, ...model.tokenizer!.encode(DEFAULT_TEXT)].slice(0, 256);
    const shuffled = [0, ...shuffle(ids.slice(1), seededRandom(1))];
    const [text, words] = [await loss(model, { ids: [ids] }), await loss(model, { ids: [shuffled] })];
    expect(text.mean).toBeLessThan(4.5);
    expect(words.mean).toBeGreaterThan(text.mean + 2);
    expect(text.mean).toBeLessThan(Math.log(4096) - 3);
  });

  it('continues a sentence as English does', async () => {
    const ids = [0, ...model.tokenizer!.encode('He took her by the')];
    const { logits } = await run(model, { ids: [ids] });
    const last = (logits!.data as Float32Array).subarray((ids.length - 1) * 4096);
    const best = [...last.keys()].sort((a, b) => last[b]! - last[a]!).slice(0, 5);
    expect(best.map((id) => model.tokenizer!.decode([id]).trim())).toContain('hand');
  });

  it('leans on BOS with one head of layer 4, and on nothing where BOS is missing', async () => {
    const all = [...model.tokenizer!.encode(DEFAULT_TEXT)];
    const texts = Array.from({ length: 8 }, (_, i) => all.slice(1 + 63 * i, 1 + 63 * (i + 1)));
    const alpha = async (ids: number[][]) => {
      const { captured } = await run(model, { ids }, { capture: ['blocks.4.attn.hook_pattern'] });
      const pattern = captured.get('blocks.4.attn.hook_pattern')!;
      const [B, H, T] = pattern.shape as [number, number, number, number];
      const rows = pattern.data as Float32Array;
      return Array.from({ length: H }, (_, h) => {
        let sum = 0;
        for (let b = 0; b < B; b++) for (let t = 0; t < T; t++) sum += rows[((b * H + h) * T + t) * T]!;
        return sum / (B * T);
      });
    };
    const [withBos, without] = [await alpha(texts.map((text) => [0, ...text])), await alpha(texts.map((text) => text))];
    expect(withBos[1]).toBeGreaterThan(0.4);
    expect(Math.max(...without)).toBeLessThan(0.3);
  });
});
