/**
 * A stream of very many tokens: are memory and time per token what they were at the start? Greedy text of the model itself under
 * StreamingLLM; EOS is read as any token, and the repetition penalty keeps the text from going round in circles.
 *
 * Late and early steps are timed in turn: a second stream, restored from what was saved early, takes stretches between those of the first.
 */
import { writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { createStream, restoreStream, sample, saveStream, streamingLlm } from '../src/cache/index.ts';
import { load } from '../src/index-node.ts';
import { fail } from './common.ts';

const { values } = parseArgs({
  options: {
    model: { type: 'string', default: '' },
    tokens: { type: 'string', default: '100000' },
    capacity: { type: 'string', default: '256' },
    threads: { type: 'string', default: '2' },
    weights: { type: 'string', default: 'stored' },
    save: { type: 'string', default: '' },
  },
});
const whole = (name: 'tokens' | 'capacity' | 'threads') =>
  /^[1-9]\d*$/.test(values[name])
    ? Number(values[name])
    : fail(`--${name}: expected a whole number from 1, got "${values[name]}"`);
const [tokens, capacity, threads] = [whole('tokens'), whole('capacity'), whole('threads')];

await using model = await load(values.model === '' ? undefined : values.model, { threads });
const { tokenizer } = model;
if (!tokenizer) fail('the model has no tokenizer');
const policy = streamingLlm({ sinks: 4, recent: capacity - 4 });
await using stream = createStream(model, { policy, weights: values.weights as 'stored' });
await stream.read(tokenizer!.encode('Once upon a time, in a harbour town at the end of the world, there lived'));

const recent: number[] = [];
async function step(one: typeof stream): Promise<void> {
  const position = one.lengths[0]!;
  const id = sample(
    one.logits[0]!,
    { temperature: 1, topP: 0.95, repetitionPenalty: 1.1, seed: 0 },
    { before: recent, position },
  );
  recent.push(id);
  if (recent.length > 64) recent.shift();
  await one.next([id]);
}
async function stretch(one: typeof stream, count: number): Promise<number[]> {
  const times: number[] = [];
  for (let i = 0; i < count; i++) {
    const start = performance.now();
    await step(one);
    times.push(performance.now() - start);
  }
  return times;
}
const median = (values: number[]) => values.toSorted((a, b) => a - b)[values.length >> 1]!;

while (stream.lengths[0]! < 2 * capacity) await step(stream);
const early = await saveStream(stream);
const points: {
  token: number;
  cacheBytes: number;
  arrayBytes: number;
  heapBytes: number;
  residentBytes: number;
  ms: number;
}[] = [];
const programs = stream.engine.programCount;
const started = performance.now();
while (stream.lengths[0]! < tokens) {
  const times = await stretch(stream, Math.min(1000, tokens - stream.lengths[0]!));
  globalThis.gc?.();
  const { arrayBuffers, heapUsed, rss } = process.memoryUsage();
  points.push({
    ...{ token: stream.lengths[0]!, cacheBytes: stream.cache.bytes, arrayBytes: arrayBuffers, heapBytes: heapUsed },
    ...{ residentBytes: rss, ms: median(times) },
  });
  if (points.length % 10 === 0) {
    const { token, ms, residentBytes } = points.at(-1)!;
    console.error(`${token} tokens, ${ms.toFixed(2)} ms, ${(residentBytes / 1e6).toFixed(0)} MB`);
  }
}
const seconds = (performance.now() - started) / 1000;
await using young = createStream(model, { policy, engine: stream.engine });
await restoreStream(young, early);
const inTurn = { early: [] as number[], late: [] as number[] };
for (let turn = 0; turn < 10; turn++) {
  inTurn.early.push(...(await stretch(young, 50)));
  inTurn.late.push(...(await stretch(stream, 50)));
}
const flat = (pick: (point: (typeof points)[0]) => number) => {
  const all = points.map(pick);
  return `${(Math.min(...all) / 1e6).toFixed(2)}–${(Math.max(...all) / 1e6).toFixed(2)} MB`;
};
const result = {
  ...{ tokens, capacity, threads, weights: values.weights, seconds, programs: [programs, stream.engine.programCount] },
  ...{ early: median(inTurn.early), late: median(inTurn.late), points },
};
if (new Set(points.map(({ cacheBytes }) => cacheBytes)).size !== 1) fail('the cache did not stay at one size');
if (result.programs[0] !== result.programs[1]) fail('a program was compiled on the way: a shape has changed');
console.log(
  `${tokens} tokens in ${(seconds / 60).toFixed(1)} min; cache ${flat((p) => p.cacheBytes)}, arrays ${flat((p) => p.arrayBytes)}, heap ${flat((p) => p.heapBytes)}, resident ${flat((p) => p.residentBytes)}`,
);
console.log(
  `ms per token, medians of ten stretches of 50 in turn: early ${result.early.toFixed(2)}, late ${result.late.toFixed(2)}`,
);
if (values.save !== '') writeFileSync(values.save, JSON.stringify(result));
