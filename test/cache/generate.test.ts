import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type GeneratedToken, type GenerateOptions, generate } from '../../src/cache/generate.ts';
import { full } from '../../src/cache/policies/full.ts';
import { streamingLlm } from '../../src/cache/policies/streaming-llm.ts';
import { RunningText } from '../../src/cache/running-text.ts';
import { createStream, type Stream } from '../../src/cache/stream.ts';
import { load, type Model, run } from '../../src/index-node.ts';
import type { Tokenizer } from '../../src/load/tokenizer.ts';

const folder = fileURLToPath(new URL('../../models/books-6m', import.meta.url));
const policy = streamingLlm({ sinks: 4, recent: 28 });

let model: Model;
let stream: Stream;
let prompt: number[];
beforeAll(async () => {
  model = await load(folder, { threads: 1 });
  stream = createStream(model, { policy });
  prompt = [0, ...model.tokenizer!.encode('He took her by the')];
});
afterAll(async () => {
  await stream.dispose();
  await model.dispose();
});

/** Everything that comes after a prompt on the shared stream, which forgets what was before. */
async function continued(ids: readonly number[], options: GenerateOptions): Promise<GeneratedToken[]> {
  stream.reset();
  await stream.read(ids);
  return collect(generate(stream, options));
}

async function collect(tokens: AsyncIterable<GeneratedToken>): Promise<GeneratedToken[]> {
  const found: GeneratedToken[] = [];
  for await (const token of tokens) found.push(token);
  return found;
}

const textOf = (tokens: readonly GeneratedToken[]) => tokens.map(({ text }) => text).join('');

describe('what is generated', () => {
  it('greedily is what a full forward pass holds most likely, with its log-probability', async () => {
    await using whole = createStream(model, { policy: full({ capacity: 64 }), engine: stream.engine });
    await whole.read(prompt);
    const tokens = await collect(generate(whole, { maxTokens: 20, ignoreEos: true }));
    const ids = [...prompt, ...tokens.map(({ id }) => id)];
    const { logits } = await run(model, { ids: [ids] });
    const V = model.decoder.sizes.V;
    tokens.forEach(({ id, logProbability }, i) => {
      const row = (logits!.data as Float32Array).subarray((prompt.length + i - 1) * V).subarray(0, V);
      expect(row.indexOf(Math.max(...row))).toBe(id);
      const total = row.reduce((sum, value) => sum + Math.exp(value - row[id]!), 0);
      expect(logProbability).toBeCloseTo(-Math.log(total), 3);
    });
    expect(textOf(tokens)).toBe(model.tokenizer!.decode(tokens.map(({ id }) => id)));
    expect(tokens.map(({ ended }) => ended)).toEqual([...new Array(19).fill(undefined), 'max tokens']);
  });

  it('goes on beyond the capacity, and the same seed gives the same text', async () => {
    const options: GenerateOptions = { maxTokens: 60, ignoreEos: true, sampler: { temperature: 0.8, seed: 7 } };
    const tokens = await continued(prompt, options);
    expect(tokens).toHaveLength(60);
    expect(stream.kept()).toHaveLength(32);
    expect(await continued(prompt, options)).toEqual(tokens);
    const other = await continued(prompt, { ...options, sampler: { temperature: 0.8, seed: 8 } });
    expect(textOf(other)).not.toBe(textOf(tokens));
  });

  it('is the same in two goes as in one', async () => {
    const sampler = { temperature: 0.8, seed: 2, repetitionPenalty: 1.3, repetitionWindow: 20 };
    const options = { maxTokens: 40, ignoreEos: true, sampler };
    const ids = (await continued(prompt, { ...options, before: [prompt] })).map(({ id }) => id);
    const first = (await continued(prompt, { ...options, before: [prompt], maxTokens: 17 })).map(({ id }) => id);
    const rest = await collect(generate(stream, { ...options, before: [[...prompt, ...first]], maxTokens: 23 }));
    expect([...first, ...rest.map(({ id }) => id)]).toEqual(ids);
  });

  it('for a batch is what each text gets alone, though one ends before the other', async () => {
    const prompts = [prompt, [0, ...model.tokenizer!.encode('It was a dark night, and')], [0]];
    const samplers = [4, 9, 5].map((seed) => ({ temperature: 0.9, seed, repetitionPenalty: 1.2 }));
    const shared = { maxTokens: 50, stop: ['.', '”'], ignoreEos: true };
    const alone: GeneratedToken[][] = [];
    for (const [row, ids] of prompts.entries())
      alone.push(await continued(ids, { ...shared, sampler: samplers[row]! }));
    expect(new Set(alone.map(({ length }) => length)).size).toBeGreaterThan(1);
    await using batch = createStream(model, { policy, batch: 3, engine: stream.engine });
    for (const [row, ids] of prompts.entries()) await batch.read(ids, {}, row);
    const together = await collect(generate(batch, { ...shared, sampler: samplers }));
    for (const [row, tokens] of alone.entries()) {
      const mine = together.filter((token) => token.row === row);
      expect(mine.map(({ id, text, ended }) => ({ id, text, ended }))).toEqual(
        tokens.map(({ id, text, ended }) => ({ id, text, ended })),
      );
      expect(batch.lengths[row]).toBe(prompts[row]!.length + tokens.length);
      expect(batch.kept(row).at(-1)).toBe(batch.lengths[row]! - 1);
    }
  });

  it('for a batch with one sampler counts its seed up by text', async () => {
    await using batch = createStream(model, { policy, batch: 2, engine: stream.engine });
    for (const row of [0, 1]) await batch.read(prompt, {}, row);
    const options = { maxTokens: 12, ignoreEos: true };
    const found = await collect(generate(batch, { ...options, sampler: { temperature: 1, seed: 5 } }));
    const second = await continued(prompt, { ...options, sampler: { temperature: 1, seed: 6 } });
    expect(textOf(found.filter(({ row }) => row === 1))).toBe(textOf(second));
  });
});

describe('what ends a text', () => {
  it('a stop id is given but not read', async () => {
    const free = await continued(prompt, { maxTokens: 6, ignoreEos: true });
    const stopIds = [free[2]!.id];
    const tokens = await continued(prompt, { stopIds });
    expect(tokens.map(({ id }) => id)).toEqual(free.slice(0, 3).map(({ id }) => id));
    expect(tokens.at(-1)).toMatchObject({ ended: 'stop id', text: '' });
    expect(stream.lengths).toEqual([prompt.length + 2]);
  });

  it('EOS does, unless it is ignored', async () => {
    const eos = (await continued(prompt, { maxTokens: 1 }))[0]!.id;
    const tokenizer: Tokenizer = { ...model.tokenizer!, eosId: eos };
    expect(await continued(prompt, { tokenizer })).toMatchObject([{ id: eos, ended: 'stop id' }]);
    const ignored = await continued(prompt, { tokenizer, ignoreEos: true, maxTokens: 3 });
    expect(ignored.map(({ ended }) => ended)).toEqual([undefined, undefined, 'max tokens']);
    expect(ignored[0]!.id).toBe(eos);
  });

  it('a stop string does, wherever tokens cut it, and nothing of it is given', async () => {
    const all = textOf(await continued(prompt, { maxTokens: 25, ignoreEos: true }));
    for (const [from, to] of [
      [3, 5],
      [10, 24],
      [30, 31],
    ] as const) {
      const stop = [all.slice(from, to)];
      const tokens = await continued(prompt, { stop, ignoreEos: true });
      expect(textOf(tokens)).toBe(all.slice(0, all.indexOf(stop[0]!)));
      expect(tokens.at(-1)!.ended).toBe('stop string');
    }
  });
});

describe('the text of tokens as they come', () => {
  const bytes = (text: string) => new TextEncoder().encode(text);
  /** What comes out after each piece, and at the end. */
  const pieces = (parts: readonly Uint8Array[], stops: readonly string[] = []) => {
    const text = new RunningText(stops);
    return [...parts.map((part) => text.push(part).text), text.end()];
  };

  it('waits for the whole of a character', () => {
    const [a, b, c, d] = [...bytes('🌊')].map((byte) => Uint8Array.of(byte));
    expect(pieces([a!, b!, c!, d!, bytes('!')])).toEqual(['', '', '', '🌊', '!', '']);
    expect(pieces([bytes('x'), a!, b!])).toEqual(['x', '', '', '�']);
  });

  it('waits where a stop string may begin, and gives what turned out to be none', () => {
    expect(pieces(['a\n', '\nU', 'se', 'ful'].map(bytes), ['\n\nUser'])).toEqual(['a', '', '', '\n\nUseful', '']);
    expect(pieces(['aa', 'aa', 'b'].map(bytes), ['aaab'])).toEqual(['', 'a', '', '']);
    expect(pieces(['ab', 'x'].map(bytes), ['abc'])).toEqual(['', 'abx', '']);
    expect(pieces(['ab'].map(bytes), ['abc'])).toEqual(['', 'ab']);
  });

  it('ends at the first of several stop strings, across the bytes of a character', () => {
    const text = new RunningText(['é!', 'd']);
    const [first, second] = bytes('é');
    expect(text.push(Uint8Array.of(...bytes('abc'), first!))).toEqual({ text: 'abc', stopped: false });
    expect(text.push(Uint8Array.of(second!))).toEqual({ text: '', stopped: false });
    expect(text.push(bytes('!d'))).toEqual({ text: '', stopped: true });
    expect(text.end()).toBe('');
  });
});

describe('a stream whose generation was cut short', () => {
  it('goes on where it was, after the loop was left', async () => {
    const free = await continued(prompt, { maxTokens: 30, ignoreEos: true });
    stream.reset();
    await stream.read(prompt);
    const seen: number[] = [];
    for await (const { id } of generate(stream, { ignoreEos: true })) {
      seen.push(id);
      if (seen.length === 12) break;
    }
    expect(stream.lengths).toEqual([prompt.length + 12]);
    for await (const { id } of generate(stream, { ignoreEos: true, maxTokens: 18 })) seen.push(id);
    expect(seen).toEqual(free.map(({ id }) => id));
  });

  it('goes on where it was, after an abort, whose reason is thrown', async () => {
    const free = await continued(prompt, { maxTokens: 20, ignoreEos: true });
    stream.reset();
    await stream.read(prompt);
    const abort = new AbortController();
    const seen: number[] = [];
    const loop = (async () => {
      for await (const { id } of generate(stream, { ignoreEos: true, signal: abort.signal })) {
        seen.push(id);
        if (seen.length === 7) abort.abort(new Error('enough'));
      }
    })();
    await expect(loop).rejects.toThrow('enough');
    for await (const { id } of generate(stream, { ignoreEos: true, maxTokens: 13 })) seen.push(id);
    expect(seen).toEqual(free.map(({ id }) => id));
  });
});

describe('what is refused', () => {
  it.each<[GenerateOptions, string]>([
    [{ maxTokens: 0 }, 'generate: expected maxTokens to be a whole number from 1, or Infinity, got 0'],
    [{ stop: ['x', ''] }, 'generate: expected stop strings of one character or more, got an empty one'],
    [{ sampler: [{}, {}] }, 'generate: expected 1 samplers, one for each text, got 2'],
    [{ sampler: { topK: 0 } }, 'sampler: expected topK to be a whole number from 1, got 0'],
  ])('%j', async (options, message) => {
    await expect(continued(prompt, options)).rejects.toThrow(message);
  });

  it('a text that has nothing to go on from', async () => {
    stream.reset();
    await expect(collect(generate(stream))).rejects.toThrow(
      'generate: text 0 has nothing to go on from; read a prompt first, BOS alone if need be',
    );
  });
});
