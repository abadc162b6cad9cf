import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type ComparisonOptions, comparePolicies, keptMoments } from '../../src/cache/judge/compare.ts';
import { blockMean, policyFigures, referenceOf } from '../../src/cache/judge/figures.ts';
import { needleTasks } from '../../src/cache/judge/needle-tasks.ts';
import { namedPolicies } from '../../src/cache/judge/policy-names.ts';
import type { PolicyRun } from '../../src/cache/judge/policy-run.ts';
import { defaultPace, readSteps } from '../../src/cache/judge/read-steps.ts';
import { policyFile as full } from '../../src/cache/policies/full.ts';
import { policyFile as h2o } from '../../src/cache/policies/h2o.ts';
import { policyFile as middleTokens } from '../../src/cache/policies/middle-tokens.ts';
import { policyFile as snapkv } from '../../src/cache/policies/snapkv.ts';
import { policyFile as streamingLlm } from '../../src/cache/policies/streaming-llm.ts';
import { policyFile as tova } from '../../src/cache/policies/tova.ts';
import { policyFile as window } from '../../src/cache/policies/window.ts';
import { Stream } from '../../src/cache/stream.ts';
import { load } from '../../src/models/load-node.ts';
import type { Model } from '../../src/models/model.ts';
import { run } from '../../src/models/run.ts';
import { bundled } from '../fixtures.ts';
import { open, someIds } from '../models/support.ts';

const files = [full, h2o, middleTokens, snapkv, streamingLlm, tova, window];

let tiny: Model;
let books: Model;
beforeAll(async () => {
  tiny = await open(bundled('families/llama'));
  books = await load('models/books-6m', { threads: 1, tokenizer: 'needed' });
});
afterAll(async () => {
  await tiny.dispose();
  await books.dispose();
});

const ids = someIds(48);
const pace = { every: 8, stretch: 2 };

async function compare(
  list: string,
  capacity: number,
  options: Partial<ComparisonOptions> = {},
  model = tiny,
): Promise<PolicyRun[]> {
  const { sizes } = model.decoder;
  const policies = namedPolicies(list, { capacity, limit: options.limit ?? sizes.maxPositions, sizes, files });
  return comparePolicies(model, { ids, policies, capacity, pace, stride: 1, ...options });
}

/** Largest difference of two lists of losses; infinite where one of them has none. */
const apart = (a: PolicyRun['losses'], b: PolicyRun['losses']) =>
  Math.max(...a.map((loss, t) => (t === 0 ? 0 : Math.abs((loss ?? Infinity) - (b[t] ?? -Infinity)))));

describe('the names of compared policies', () => {
  const { sizes } = { sizes: { L: 2, H: 2, G: 1, D: 4, M: 8, V: 9, maxPositions: 64 } };
  const named = (list: string) => namedPolicies(list, { capacity: 8, limit: 64, sizes, files });

  it('carry sinks and positions', () => {
    expect(
      named('streaming-llm,streaming-llm:1, streaming-llm:0@absolute ,newline-sinks:2,recompute,full'),
    ).toMatchObject([
      { label: 'streaming-llm', newlines: 0, policy: { name: 'streaming-llm: 4 + 4', positions: 'cache-relative' } },
      { policy: { name: 'streaming-llm: 1 + 7' } },
      { label: 'streaming-llm:0@absolute', policy: { name: 'streaming-llm: 0 + 8', positions: 'absolute' } },
      { newlines: 2, policy: { name: 'newline-sinks: 2 + 6' } },
      { recompute: true, policy: { name: 'recompute: 8' } },
      { recompute: false, policy: { name: 'full: 64' } },
    ]);
  });

  it.each([
    [
      'phlogiston',
      /^policies: there is no policy "phlogiston"; there are full, h2o, .*, recompute, newline-sinks, with/,
    ],
    ['', /^policies: there is no policy ""/],
    ['streaming-llm:', /^policies: there is no policy "streaming-llm:"/],
    ['streaming-llm:-1', /^policies: there is no policy/],
    ['streaming-llm:1e2', /^policies: there is no policy/],
    ['__proto__', /^policies: there is no policy/],
    ['constructor', /^policies: there is no policy/],
    ['streaming-llm@sideways', /^policies: "streaming-llm@sideways": positions are absolute or cache-relative$/],
    ['window:4', /^policies: "window:4": window has no sinks to set$/],
    ['full@cache-relative', /^policies: "full@cache-relative": full has absolute positions only$/],
    ['recompute:4', /^policies: "recompute:4": recompute has no settings/],
    ['newline-sinks:0', /^policies: "newline-sinks:0": expected at least one newline$/],
    ['newline-sinks:8', /^policies: "newline-sinks:8": 8 sinks leave no room in a capacity of 8$/],
    ['streaming-llm:8', /^streaming-llm: /],
    ['full,window,full', /^policies: full is named twice$/],
  ])('refuse %j', (list, message) => {
    expect(() => named(list)).toThrow(message);
  });
});

describe('how a text is read', () => {
  it('in chunks with timed stretches of single tokens, ending at every stop', () => {
    expect(readSteps(20, { oneByOne: false, every: 8, stretch: 2 }, true, 0, [3, 8])).toEqual([
      { from: 0, to: 3, single: false },
      { from: 3, to: 6, single: false },
      { from: 6, to: 8, single: true },
      { from: 8, to: 14, single: false },
      { from: 14, to: 16, single: true },
      { from: 16, to: 20, single: false },
    ]);
  });

  it('one by one where attention decides, but for a prompt that is read whole', () => {
    const steps = readSteps(12, { ...defaultPace, every: 8 }, false, 5, [3]);
    expect(steps).toEqual([
      { from: 0, to: 5, single: false },
      { from: 5, to: 8, single: true },
      { from: 8, to: 12, single: true },
    ]);
  });

  it('takes down what is kept when the cache is full and at every fifth', () => {
    expect(keptMoments(100, 30)).toEqual([20, 30, 40, 60, 80, 100]);
    expect(keptMoments(10, 30)).toEqual([2, 4, 6, 8, 10]);
  });
});

describe('a comparison', () => {
  it('gives under the full cache the losses of one plain forward', async () => {
    const [under] = await compare('full', 8);
    const { logits } = await run(tiny, { ids: [ids] });
    const V = tiny.decoder.sizes.V;
    const data = logits!.data as Float32Array;
    const expected = ids.map((id, t) => {
      if (t === 0) return null;
      const row = data.subarray((t - 1) * V, t * V);
      return Math.log(row.reduce((sum, x) => sum + Math.exp(x), 0)) - row[id]!;
    });
    expect(under!.losses[0]).toBe(null);
    expect(apart(under!.losses, expected)).toBeLessThan(1e-4);
  });

  it('gives the same losses under every policy that has room for the text', async () => {
    const [first, ...others] = await compare('full,window,streaming-llm,streaming-llm@absolute,h2o,tova,recompute', 64);
    for (const other of others)
      expect([other.label, apart(first!.losses, other.losses) < 1e-4]).toEqual([other.label, true]);
  });

  it('gives other losses where there is no room, and the same however tokens are read', async () => {
    const list = 'full,streaming-llm:2,window';
    const chunks = await compare(list, 10);
    const single = await compare(list, 10, { pace: { oneByOne: true, every: 16 } });
    chunks.forEach((one, i) => {
      expect(apart(one.losses, single[i]!.losses)).toBeLessThan(1e-4);
    });
    expect(apart(chunks[0]!.losses, chunks[1]!.losses)).toBeGreaterThan(1e-3);
    expect(chunks[0]!.times.map(([at]) => at)).toEqual([6, 14, 22, 30, 38, 46]);
    expect(single[0]!.times.map(([at]) => at)).toEqual([0, 16, 32]);
    expect(single[0]!.kept).toEqual(chunks[0]!.kept);
  });

  it('takes as re-computation what a fresh cache of the last tokens says', async () => {
    const [again] = await compare('recompute', 6, { stride: 5 });
    expect(again!.losses.flatMap((loss, t) => (loss === null ? [] : [t]))).toEqual([5, 10, 15, 20, 25, 30, 35, 40, 45]);
    const [alone] = await compare('full', 6, { ids: ids.slice(24, 31) });
    expect(again!.losses[30]).toBeCloseTo(alone!.losses[6]!, 4);
    expect(again!.notes).toEqual(['every 5th token was predicted']);
  });

  it('says which tokens are kept, when named ones left, and how many bytes are held', async () => {
    const spans = [
      { label: 'first', from: 0, to: 1 },
      { label: 'four', from: 0, to: 4 },
    ];
    const runs = await compare('full,streaming-llm:2,window,tova', 10, { spans });
    const [whole, sinks, recent, chosen] = runs;
    expect(whole!.left.map(({ firstLost, allLost }) => [firstLost, allLost])).toEqual([
      [null, null],
      [null, null],
    ]);
    expect(sinks!.left.map(({ firstLost, allLost }) => [firstLost, allLost])).toEqual([
      [null, null],
      [11, null],
    ]);
    expect(recent!.left.map(({ firstLost, allLost }) => [firstLost, allLost])).toEqual([
      [11, 11],
      [11, 14],
    ]);
    expect(sinks!.kept.at(-1)).toEqual({
      at: 48,
      runs: [
        [0, 2, 1],
        [40, 48, 1],
      ],
    });
    expect(whole!.kept.at(-1)).toEqual({ at: 48, runs: [[0, 48, 1]] });
    const { L, G, D } = tiny.decoder.sizes;
    const each = L * G * D * 8;
    expect(whole!.bytes.at(-1)).toEqual([48, 48 * each]);
    expect(recent!.bytes.map(([, bytes]) => bytes)).toEqual(recent!.bytes.map(([at]) => Math.min(at, 10) * each));
    expect(chosen!.bytes.at(-1)).toEqual([48, 10 * each]);
    // What attention decides is watched: the last look and the entries that are held agree.
    const held = chosen!.kept.at(-1)!.runs.some(([from]) => from === 0);
    expect(chosen!.left[0]!.allLost === null).toBe(held);
  });

  it('draws a policy that ends until its end, and says where and why', async () => {
    const [whole, recent] = await compare('full,window', 8, { limit: 20 });
    expect(whole!.ended).toEqual({ at: 20, why: 'the limit that was given' });
    expect(whole!.losses.map((loss) => loss !== null).indexOf(false, 1)).toBe(20);
    expect(whole!.kept.map(({ at }) => at)).toEqual([8, 10, 19]);
    expect(recent!.ended).toBe(null);
    const [row] = policyFigures([whole!, recent!], 8);
    expect(row!.tokens).toBe(12);
  });

  it('reads a prompt whole where the policy decides at its end', async () => {
    const sizes = tiny.decoder.sizes;
    const policies = namedPolicies('snapkv', { capacity: 40, limit: 64, sizes, files, longest: 48 });
    const [run] = await comparePolicies(tiny, { ids, policies, capacity: 40, prompt: 44, pace });
    expect(run!.notes).toEqual(['the first 44 tokens were read as its prompt']);
    const [whole] = await compare('full', 40);
    expect(apart(run!.losses.slice(0, 44), whole!.losses.slice(0, 44))).toBeLessThan(1e-4);
    expect(apart(run!.losses.slice(44), [0, ...whole!.losses.slice(45)])).toBeGreaterThan(1e-6);
  });

  it('control: in a model that was never trained it makes no difference which tokens are kept beside the last', async () => {
    const long = someIds(200);
    const runs = await compare('recompute,window,streaming-llm:4,middle-tokens', 16, { ids: long, stride: 2 });
    const found = policyFigures(runs, 16).slice(1);
    const beyond = found.filter(({ ratio }) => Math.abs(ratio!.value - 1) > 2 * ratio!.error!);
    expect([found.length, beyond]).toEqual([3, []]);
  });

  it('goes on with results from before, and keeps those that are finished when it is stopped', async () => {
    const abort = new AbortController();
    const stopped = new Map<string, PolicyRun>();
    await expect(
      compare('full,window', 8, {
        signal: abort.signal,
        finished: async ({ label }, run) => {
          stopped.set(label, run);
          abort.abort(new Error('interrupted'));
        },
      }),
    ).rejects.toThrow('interrupted');
    expect([...stopped.keys()]).toEqual(['full']);
    const made: string[] = [];
    const runs = await compare('full,window', 8, {
      known: async ({ label }) => stopped.get(label),
      finished: async ({ label }) => void made.push(label),
    });
    expect(made).toEqual(['window']);
    expect(runs[0]).toBe(stopped.get('full'));
  });

  it('refuses a text without anything to predict, and newlines without a tokenizer', async () => {
    await expect(compare('full', 8, { ids: [1] })).rejects.toThrow(
      'policies: expected a text of at least 2 tokens, got 1',
    );
    await expect(compare('newline-sinks', 8)).rejects.toThrow('policies: newline-sinks needs a tokenizer');
  });
});

describe('on a model that was trained', () => {
  const text = () =>
    books
      .tokenizer!.encode(
        'The old man sat by the river. He had a small boat, and he said that it was his own. '.repeat(8),
      )
      .slice(0, 150);

  it('newlines in front of the text are kept for ever, and its own first tokens are not', async () => {
    const spans = [{ label: 'first', from: 0, to: 1 }];
    const [run] = await compare('newline-sinks:2', 16, { ids: text().slice(0, 40), spans }, books);
    expect(run).toMatchObject({ newlines: 2, left: [{ firstLost: 15, allLost: 15 }] });
    expect(run!.losses).toHaveLength(40);
    // Even the first token is predicted: newlines stand before it.
    expect(run!.losses[0]).toBeGreaterThan(0);
    expect(run!.kept.at(-1)!.runs).toEqual([
      [-2, 0, 1],
      [26, 40, 1],
    ]);
  });

  it('a fact is found where greedy decoding gives its code, with the log probability of the whole code; when it left is told', async () => {
    const [task] = needleTasks(books.tokenizer!, { filler: text(), tokens: 120, depths: [0.2], codes: 1 });
    const ids = text().slice(0, 40);
    await using stream = new Stream(books, { policy: full.make({ capacity: 200, sizes: books.decoder.sizes }) });
    await stream.read(task!.ids);
    const greedy: number[] = [];
    for (let n = 0; n < 2; n++) {
      const logits = stream.logits[0]!;
      greedy.push(logits.indexOf(Math.max(...logits)));
      await stream.next([greedy[n]!]);
    }
    const needles = [task!, { ...task!, answer: greedy }];
    const [whole, recent] = await compare('full,window', 24, { ids, needles }, books);
    // Control: the code, which this small model cannot copy, is not found.
    expect(whole!.needles.map(({ found }) => found)).toEqual([false, true]);
    const [scored] = await compare('full', 24, { ids: [...task!.ids, ...task!.answer] }, books);
    const sum = scored!.losses.slice(task!.ids.length).reduce<number>((total, loss) => total - loss!, 0);
    expect(whole!.needles[0]!.logProbability).toBeCloseTo(sum, 2);
    const { from, to } = task!.needle;
    expect(whole!.needles[0]!.left).toMatchObject({ firstLost: null, allLost: null });
    expect(recent!.needles[0]!.left).toMatchObject({ firstLost: from + 25, allLost: to + 24 });
    expect(whole!.needles[0]!.tokens).toBe(task!.ids.length);
  });

  it('a policy that ends before the question finds nothing', async () => {
    const needles = needleTasks(books.tokenizer!, { filler: text(), tokens: 60, depths: [0.2] });
    const [whole] = await compare('full', 24, { ids: text().slice(0, 20), needles, limit: 30 }, books);
    expect(whole!.needles[0]).toMatchObject({ found: false, logProbability: null });
  });
});

describe('needles', () => {
  it('are the same for the same seed, stand where they are asked to, and end with the question', () => {
    const tokenizer = books.tokenizer!;
    const make = (seed: number) =>
      needleTasks(tokenizer, { filler: [50, 51, 52], tokens: 100, depths: [0, 0.5, 1], codes: 2, seed });
    const tasks = make(3);
    expect(make(3)).toEqual(tasks);
    expect(make(4)[0]!.code).not.toBe(tasks[0]!.code);
    expect(new Set(tasks.map(({ code }) => code)).size).toBe(6);
    for (const { ids: all, needle, code, answer } of tasks) {
      expect(tokenizer.decode(all.slice(needle.from, needle.to))).toContain(`The secret code is ${code}. Remember it.`);
      expect(tokenizer.decode(all)).toMatch(/The secret code is$/);
      expect(tokenizer.decode(answer).trim()).toBe(code);
    }
  });

  it('refuse a text too short for them and depths outside it', () => {
    const tokenizer = books.tokenizer!;
    expect(() => needleTasks(tokenizer, { filler: [50], tokens: 9 })).toThrow(
      /^needles: expected room for more than the fact/,
    );
    expect(() => needleTasks(tokenizer, { filler: [50], tokens: 99, depths: [1.5] })).toThrow(
      'needles: expected depths from 0 to 1, got 1.5',
    );
    expect(() => needleTasks(tokenizer, { filler: [], tokens: 99 })).toThrow('needles: the text around them is empty');
  });
});

describe('figures', () => {
  const runOf = (label: string, losses: (number | null)[], times: [number, number][] = []): PolicyRun => ({
    ...{ label, name: label, source: '', keeps: '', decides: '', positions: 'absolute', newlines: 0, ended: null },
    ...{
      losses,
      bytes: [
        [0, 5],
        [9, 7],
      ],
      allocated: 8,
      times,
      kept: [],
      left: [],
      needles: [],
      notes: [],
      seconds: 0,
    },
  });

  it('are means after the first tokens, with the error of blocks', () => {
    expect(blockMean([])).toBe(undefined);
    expect(blockMean([1, 2, 3])).toEqual({ mean: 2, error: null });
    // Three blocks of four: 1, 2, 6.
    const found = blockMean([1, 1, 1, 1, 2, 2, 2, 2, 6, 6, 6, 6])!;
    expect(found.mean).toBe(3);
    expect(found.error).toBeCloseTo(Math.sqrt((4 + 1 + 9) / 2 / 3), 12);
  });

  it('hold a policy against the reference over the tokens that both predicted', () => {
    expect(referenceOf(['window', 'full', 'recompute'])).toBe('recompute');
    expect(referenceOf(['window'])).toBe(null);
    const reference = runOf('recompute', [null, null, 1, null, 2]);
    const times: [number, number][] = [
      [0, 9],
      [10, 1],
      [60, 4],
      [100, 3],
    ];
    const other = runOf('window', [null, 9, 2, 50, 3], times);
    const [, row] = policyFigures([reference, other], 2);
    expect(row).toMatchObject({ tokens: 3, loss: 55 / 3, bytes: 7, early: 9, late: 3 });
    expect(row!.ratio).toEqual({ value: Math.exp(1), error: null, tokens: 2 });
    expect(policyFigures([runOf('window', [null])], 2)[0]).toMatchObject({
      loss: null,
      perplexity: null,
      ratio: null,
      early: null,
    });
  });
});
